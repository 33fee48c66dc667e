"""The official Python package, whole and streamed, synchronous and not."""
import asyncio
import json

import openai
from pydantic import BaseModel

from checks import ASK, CAPITAL, MODEL, SCHEMA, URL, WEATHER, check, run

client = openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)
FORMAT = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA, "strict": True}}


def chat(**fields):
    return client.chat.completions.create(model=MODEL, temperature=0, max_tokens=64, **{"messages": CAPITAL, **fields})


@check
def models():
    assert MODEL in [m.id for m in client.models.list().data]
    assert client.models.retrieve(MODEL).id == MODEL


@check
def chat_whole():
    answer = chat(extra_headers={"x-request-id": "check-1"})
    assert answer.choices[0].message.content == "Lisbon", answer
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.prompt_tokens_details.cached_tokens >= 0
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=CAPITAL, max_tokens=1,
                                                           extra_headers={"x-request-id": "check-2"})
    assert raw.headers["x-request-id"] == "check-2"


@check
def chat_streamed():
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Lisbon"
    assert chunks[-1].usage.completion_tokens > 0 and not chunks[-1].choices


@check
def chat_streamed_async():
    async def go():
        async with openai.AsyncOpenAI(base_url=URL + "/v1", api_key="none") as other:
            stream = await other.chat.completions.create(model=MODEL, messages=CAPITAL, temperature=0, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    assert asyncio.run(go()) == "Lisbon"


@check
def sampling_parameters():
    fields = dict(n=2, seed=7, temperature=1.2, top_p=0.9, presence_penalty=0.5, frequency_penalty=0.5, logit_bias={"5": -1},
                  stop=["\n\n"], max_completion_tokens=8, user="me",
                  extra_body={"top_k": 20, "min_p": 0.01, "repetition_penalty": 1.1})
    once, again = (client.chat.completions.create(model=MODEL, messages=CAPITAL, **fields) for _ in range(2))
    assert len(once.choices) == 2
    assert [c.message.content for c in once.choices] == [c.message.content for c in again.choices]


@check
def logprobs():
    content = chat(logprobs=True, top_logprobs=3).choices[0].logprobs.content
    assert len(content[0].top_logprobs) == 3 and content[0].logprob <= 0


@check
def reasoning():
    # The demo model's sums are not always right; where it thinks about them is.
    sums = [{"role": "user", "content": "What is 12 + 30?"}]
    message = chat(messages=sums, extra_body={"chat_template_kwargs": {"thinking": True}}).choices[0].message
    assert message.reasoning_content and message.content.isdigit(), message
    assert chat(messages=sums, reasoning_effort="high").choices[0].message.reasoning_content
    assert not hasattr(chat(messages=sums, reasoning_effort="none").choices[0].message, "reasoning_content")


@check
def completions():
    answer = client.completions.create(model=MODEL, prompt=["Hello", "World"], max_tokens=4, echo=True, n=2)
    assert len(answer.choices) == 4 and answer.choices[0].text.startswith("Hello")
    assert client.completions.create(model=MODEL, prompt="Hello", max_tokens=3, logprobs=2).choices[0].logprobs.tokens
    text = "".join(c.choices[0].text for c in client.completions.create(model=MODEL, prompt="Hello", max_tokens=4, stream=True))
    assert isinstance(text, str)


@check
def tools_whole():
    answer = chat(messages=ASK, tools=[WEATHER]).choices[0]
    assert answer.finish_reason == "tool_calls", answer
    (call,) = answer.message.tool_calls
    assert call.function.name == "get_weather" and json.loads(call.function.arguments) == {"city": "Paris"}
    after = chat(tools=[WEATHER], messages=ASK + [answer.message, {"role": "tool", "tool_call_id": call.id,
                                                                    "content": '{"temperature": 21, "sky": "sunny"}'}])
    assert after.choices[0].finish_reason == "stop" and after.choices[0].message.content


@check
def tools_streamed_by_the_packages_own_accumulator():
    with client.chat.completions.stream(model=MODEL, messages=ASK, tools=[WEATHER], temperature=0) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assert final.choices[0].finish_reason == "tool_calls"


@check
def tool_choices():
    for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
        assert chat(tools=[WEATHER], tool_choice=choice).choices[0].message.tool_calls
    assert not chat(messages=ASK, tools=[WEATHER], tool_choice="none").choices[0].message.tool_calls


@check
def response_formats():
    assert isinstance(json.loads(chat(response_format={"type": "json_object"}).choices[0].message.content), dict)
    value = json.loads(chat(response_format=FORMAT).choices[0].message.content)
    assert value["city"] in ("Paris", "Rome") and 1 <= value["days"] <= 7


@check
def parsed_by_pydantic():
    class Trip(BaseModel):
        city: str
        days: int
        tags: list[str] | None

    parsed = client.chat.completions.parse(model=MODEL, messages=CAPITAL, response_format=Trip, max_tokens=200)
    assert isinstance(parsed.choices[0].message.parsed, Trip), parsed


@check
def errors_are_the_packages_own():
    for kind, call in ((openai.NotFoundError, lambda: client.chat.completions.create(model="gpt", messages=CAPITAL)),
                       (openai.BadRequestError, lambda: chat(top_p=3)),
                       (openai.NotFoundError, lambda: client.responses.create(model=MODEL, input="x")),
                       (openai.BadRequestError, lambda: chat(response_format={"type": "json_schema", "json_schema": {
                           "name": "x", "schema": {"type": "object", "minProperties": 2}}}))):
        try:
            call()
        except kind as error:
            assert error.body["message"], error
        else:
            raise AssertionError(f"no {kind.__name__}")


run("openai", openai.__version__)
