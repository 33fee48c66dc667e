"""langchain-openai: chat, tools and structured output as agents use them."""
import importlib.metadata

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from checks import ASK, CAPITAL, MODEL, URL, check, run

chat = ChatOpenAI(model=MODEL, base_url=URL + "/v1", api_key="none", temperature=0, max_tokens=128)


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return '{"temperature": 21, "sky": "sunny"}'


@check
def invoke_and_stream():
    assert chat.invoke(CAPITAL[0]["content"]).content == "Lisbon"
    assert "".join(c.content for c in chat.stream(CAPITAL[0]["content"])) == "Lisbon"


@check
def tool_round():
    bound = chat.bind_tools([get_weather])
    messages = [HumanMessage(ASK[0]["content"])]
    answer = bound.invoke(messages)
    (call,) = answer.tool_calls
    assert call["name"] == "get_weather" and call["args"] == {"city": "Paris"}, answer
    messages += [answer, ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])]
    assert bound.invoke(messages).content
    whole = None
    for chunk in bound.stream(messages[:1]):
        whole = chunk if whole is None else whole + chunk
    assert whole.tool_calls[0]["args"] == {"city": "Paris"}


@check
def structured_output():
    class Trip(BaseModel):
        """A trip."""
        city: str
        days: int

    for method in ("json_schema", "function_calling"):
        trip = chat.with_structured_output(Trip, method=method).invoke("A trip to Rome.")
        assert isinstance(trip, Trip), (method, trip)


run("langchain-openai", importlib.metadata.version("langchain-openai"))
