"""litellm, which many gateways use, by its provider for servers that speak OpenAI's API."""
import importlib.metadata
import json

import litellm

from checks import ASK, CAPITAL, MODEL, SCHEMA, URL, WEATHER, check, run


def chat(**fields):
    return litellm.completion(model="openai/" + MODEL, api_base=URL + "/v1", api_key="none", temperature=0, max_tokens=64,
                              **{"messages": CAPITAL, **fields})


@check
def chat_whole():
    answer = chat()
    assert answer.choices[0].message.content == "Lisbon" and answer.usage.total_tokens > 0


@check
def chat_streamed():
    assert "".join(c.choices[0].delta.content or "" for c in chat(stream=True)) == "Lisbon"


@check
def tools():
    (call,) = chat(messages=ASK, tools=[WEATHER]).choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    whole = litellm.stream_chunk_builder(list(chat(messages=ASK, tools=[WEATHER], stream=True)))
    assert json.loads(whole.choices[0].message.tool_calls[0].function.arguments) == {"city": "Paris"}


@check
def response_format():
    answer = chat(response_format={"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA, "strict": True}})
    assert json.loads(answer.choices[0].message.content)["city"] in ("Paris", "Rome")


@check
def text_completion():
    assert litellm.text_completion(model="openai/" + MODEL, api_base=URL + "/v1", api_key="none", prompt="Hello", max_tokens=3).choices


@check
def errors():
    try:
        chat(top_p=5)
    except litellm.BadRequestError:
        return
    raise AssertionError("no error")


run("litellm", importlib.metadata.version("litellm"))
