"""What the programs of the matrix share: a wish per line of the input, and per line of the output what came of it."""

import contextlib
import json
import sys
import traceback

CITY = {"city": {"type": "string"}, "days": {"type": "integer"}, "note": {"type": "string"}}
TOOLS = [
    ("get_weather", "Tells the weather of a city", {"type": "object", "properties": CITY}),
    ("get_time", "Tells the time", {"type": "object", "properties": {}}),
]


def output_limit(wish):
    """A model that thinks needs room for it."""
    return 4_096 if wish["thinking"] else 64


def serve(dialects, api_error, code_of):
    """Does what every line orders, in their order. `api_error`: what the SDK raises; `code_of`: its own word for it."""
    answers = []
    for line in sys.stdin:
        order = json.loads(line)
        try:
            told = done(dialects[order["dialect"]], order, answers)
        except api_error as error:
            told = {"failure": failure_of(error, code_of)}
        except Exception:
            told = {"bug": traceback.format_exc()}
        print(json.dumps(told), flush=True)


def done(dialect, order, answers):
    wish = order["wish"]
    body = dialect.body(wish)
    if wish["turn"]:
        # The SDK's own object goes back, as its users do it.
        said = answers[wish["turn"]["heard"]["answer"]]
        body = dialect.continued(body, said, wish["turn"]["result"])
    if order["pieces"]:
        return {"left": left(dialect.texts(body), order["pieces"])}
    answer = dialect.streamed(body) if wish["streamed"] else dialect.whole(body)
    answers.append(answer)
    return {"heard": {**dialect.heard(answer), "answer": len(answers) - 1}}


def left(texts, enough):
    """Reads so many pieces of text, and leaves; what they say."""
    heard = []
    with contextlib.closing(texts):
        for piece in texts:
            heard += [piece] if piece else []
            if len(heard) >= enough:
                break
    return "".join(heard)


def failure_of(error, code_of):
    response = getattr(error, "response", None)
    after = response.headers.get("retry-after") if response is not None else None
    return {
        "kind": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "code": code_of(error),
        "retryAfter": None if after is None else float(after),
        "message": str(error),
        "body": error.body,
    }
