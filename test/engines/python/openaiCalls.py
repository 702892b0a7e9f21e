"""What users do with the official OpenAI client: `openaiCalls.py <model> <name>…` prints what the calls of these names give, as JSON.

OPENAI_BASE_URL and OPENAI_API_KEY say where and as whom.
"""

import json
import sys

import openai

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}


def saying(text):
    return [{"role": "user", "content": text}]


def text(client, model):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=saying("Hello there"))
    answer = raw.parse()
    return {
        "content": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "model": answer.model,
        "added": answer.usage.prompt_tokens + answer.usage.completion_tokens == answer.usage.total_tokens,
        "cost": answer.usage.cost,
        "costHeader": float(raw.headers["x-tallystick-cost"]),
        "requestId": raw.headers["x-request-id"],
    }


def stream(client, model):
    chunks = list(
        client.chat.completions.create(
            model=model, messages=saying("你好 there"), stream=True, stream_options={"include_usage": True}
        )
    )
    spoken = [chunk.choices[0] for chunk in chunks if chunk.choices]
    return {
        "content": "".join(choice.delta.content or "" for choice in spoken),
        "finish": spoken[-1].finish_reason,
        "usage": [chunk.usage is not None for chunk in chunks],
        "cost": chunks[-1].usage.cost,
    }


def helper(client, model):
    """The client's own reading of a stream."""
    with client.chat.completions.stream(model=model, messages=saying("Hello")) as events:
        kinds = [event.type for event in events]
        return {"kinds": sorted(set(kinds)), "content": events.get_final_completion().choices[0].message.content}


def tools(client, model):
    messages = saying("Paris? [[sim tool=get_weather]]")
    asked = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0]
    call = asked.message.tool_calls[0]
    messages += [asked.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    messages += saying("So?")
    after = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0]
    return {
        "finish": asked.finish_reason,
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "then": after.message.content,
    }


def streamed_tools(client, model):
    chunks = client.chat.completions.create(
        model=model, messages=saying("Paris? [[sim tool=get_weather]]"), tools=[WEATHER], stream=True
    )
    deltas = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    return {
        "name": deltas[0].function.name,
        "arguments": json.loads("".join(delta.function.arguments or "" for delta in deltas)),
    }


def image(client, model):
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    return {"content": answer.choices[0].message.content}


def responses(client, model):
    whole = client.responses.create(model=model, input="Hello")
    events = list(client.responses.create(model=model, input="Hello", stream=True))
    return {
        "text": whole.output_text,
        "status": whole.status,
        "streamed": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
        "last": events[-1].type,
    }


def models(client, model):
    return {"listed": model in [each.id for each in client.models.list()], "one": client.models.retrieve(model).id}


def retried(client, model):
    return text(client.with_options(max_retries=2), model)


def errors(client, model):
    unknown = client.with_options(api_key="tly_test_wrong")
    return {
        "key": raised(lambda: unknown.models.list()),
        "model": raised(lambda: client.chat.completions.create(model="nothing-like-it", messages=saying("Hi"))),
        "request": raised(lambda: client.chat.completions.create(model=model, messages=[])),
        "limited": raised(lambda: client.chat.completions.create(model=model, messages=saying("[[sim status=429]]"))),
        "provider": raised(lambda: client.chat.completions.create(model=model, messages=saying("[[sim status=500]]"))),
        "stream": raised(
            lambda: list(
                client.chat.completions.create(model=model, messages=saying("[[sim error_after=2]]"), stream=True)
            )
        ),
    }


def raised(call):
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code]
    except openai.APIError as error:
        return [type(error).__name__, None, error.code]
    return None


CALLS = [text, stream, helper, tools, streamed_tools, image, responses, models, retried, errors]


def told(call, client, model):
    """What a call gives; what it raises unawares does not keep the others from being made."""
    try:
        return call(client, model)
    except Exception as error:
        return repr(error)


model, *names = sys.argv[1:]
client = openai.OpenAI(max_retries=0, timeout=20)
print(json.dumps({call.__name__: told(call, client, model) for call in CALLS if call.__name__ in names}))
