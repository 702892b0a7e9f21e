"""What users do with the official Anthropic client: `anthropicCalls.py <model> <name>…` prints what the calls of these names give, as JSON.

ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY say where and as whom.
"""

import json
import sys

import anthropic

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "name": "get_weather",
    "description": "The weather at a place.",
    "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
}


def saying(text, **more):
    return {"max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


def text(client, model):
    raw = client.messages.with_raw_response.create(model=model, **saying("Hello there", system="Be kind."))
    answer = raw.parse()
    return {
        "content": [block.text for block in answer.content],
        "stop": answer.stop_reason,
        "model": answer.model,
        "counted": answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0,
        "requestId": raw.headers["request-id"],
    }


def stream(client, model):
    with client.messages.stream(model=model, **saying("你好 there")) as events:
        pieces = list(events.text_stream)
        final = events.get_final_message()
    return {
        "pieces": len(pieces) > 1,
        "content": "".join(pieces),
        "final": final.content[0].text,
        "stop": final.stop_reason,
        "counted": final.usage.input_tokens > 0 and final.usage.output_tokens > 0,
    }


def tools(client, model):
    wish = saying("Paris? [[sim tool=get_weather]]", tools=[WEATHER])
    asked = client.messages.create(model=model, **wish)
    use = asked.content[-1]
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    turns = [
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": [result, {"type": "text", "text": "So?"}]},
    ]
    after = client.messages.create(model=model, **{**wish, "messages": wish["messages"] + turns})
    return {"stop": asked.stop_reason, "name": use.name, "input": use.input, "then": after.content[0].text}


def streamed_tools(client, model):
    with client.messages.stream(model=model, **saying("Paris? [[sim tool=get_weather]]", tools=[WEATHER])) as events:
        use = events.get_final_message().content[-1]
    return {"type": use.type, "name": use.name, "input": use.input}


def image(client, model):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    return {"content": client.messages.create(model=model, **saying(content)).content[0].text}


def count(client, model):
    wish = saying("Hello there")
    return {"counted": client.messages.count_tokens(model=model, messages=wish["messages"]).input_tokens > 0}


def models(client, model):
    return {"listed": model in [each.id for each in client.models.list()], "one": client.models.retrieve(model).id}


def errors(client, model):
    unknown = client.with_options(api_key="tly_test_wrong")
    return {
        "key": raised(lambda: unknown.messages.create(model=model, **saying("Hi"))),
        "model": raised(lambda: client.messages.create(model="nothing-like-it", **saying("Hi"))),
        "request": raised(lambda: client.messages.create(model=model, max_tokens=100, messages=[])),
        "limited": raised(lambda: client.messages.create(model=model, **saying("[[sim status=429]]"))),
        "provider": raised(lambda: client.messages.create(model=model, **saying("[[sim status=500]]"))),
        "stream": raised(
            lambda: list(client.messages.create(model=model, stream=True, **saying("[[sim error_after=2]]")))
        ),
    }


def raised(call):
    try:
        call()
    except anthropic.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.body["error"]["type"]]
    return None


CALLS = [text, stream, tools, streamed_tools, image, count, models, errors]


def told(call, client, model):
    """What a call gives; what it raises unawares does not keep the others from being made."""
    try:
        return call(client, model)
    except Exception as error:
        return repr(error)


model, *names = sys.argv[1:]
client = anthropic.Anthropic(max_retries=0, timeout=20)
print(json.dumps({call.__name__: told(call, client, model) for call in CALLS if call.__name__ in names}))
