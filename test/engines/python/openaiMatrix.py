"""The official OpenAI client for the matrix: chat completions and responses, a wish per line.

OPENAI_BASE_URL and OPENAI_API_KEY say where and as whom.
"""

import json

import openai
from matrixLines import TOOLS, output_limit, serve
from openai.lib.streaming.chat import ChatCompletionStreamState

client = openai.OpenAI(max_retries=0, timeout=20)


def data_uri(image):
    return f"data:image/png;base64,{image}"


def called(call_id, name, arguments):
    return {"id": call_id, "name": name, "arguments": json.loads(arguments)}


class Chat:
    def body(self, wish):
        content = wish["prompt"]
        if wish["image"]:
            image = {"type": "image_url", "image_url": {"url": data_uri(wish["image"])}}
            content = [{"type": "text", "text": content}, image]
        body = {
            "model": wish["model"],
            "max_completion_tokens": output_limit(wish),
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}],
        }
        if wish["tools"]:
            body["tools"] = [
                {"type": "function", "function": {"name": name, "description": told, "parameters": schema}}
                for name, told, schema in TOOLS
            ]
        if wish["thinking"]:
            body["reasoning_effort"] = "low"
        return body

    def continued(self, body, answer, result):
        message = answer.choices[0].message
        results = [{"role": "tool", "tool_call_id": call.id, "content": result} for call in message.tool_calls]
        return {**body, "messages": [*body["messages"], message, *results]}

    def whole(self, body):
        return client.chat.completions.create(**body)

    def streamed(self, body):
        """The client raises what was cut, with all of it."""
        state = ChatCompletionStreamState()
        for chunk in client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}):
            state.handle_chunk(chunk)
        try:
            return state.get_final_completion()
        except openai.LengthFinishReasonError as cut:
            return cut.completion

    def texts(self, body):
        with client.chat.completions.create(**body, stream=True) as chunks:
            for chunk in chunks:
                yield chunk.choices[0].delta.content if chunk.choices else ""

    def heard(self, answer):
        choice, usage = answer.choices[0], answer.usage
        calls = choice.message.tool_calls or []
        return {
            "text": choice.message.content or "",
            "thinking": getattr(choice.message, "reasoning_content", None) or "",
            "calls": [called(call.id, call.function.name, call.function.arguments) for call in calls],
            "finish": choice.finish_reason,
            "tokens": usage and [usage.prompt_tokens, usage.completion_tokens],
        }


class Responses:
    def body(self, wish):
        content = [{"type": "input_text", "text": wish["prompt"]}]
        if wish["image"]:
            content += [{"type": "input_image", "image_url": data_uri(wish["image"]), "detail": "auto"}]
        body = {
            "model": wish["model"],
            "store": False,
            "max_output_tokens": output_limit(wish),
            "instructions": "Be brief.",
            "input": [{"role": "user", "content": content}],
        }
        if wish["tools"]:
            body["tools"] = [
                {"type": "function", "name": name, "description": told, "parameters": schema, "strict": False}
                for name, told, schema in TOOLS
            ]
        if wish["thinking"]:
            body["reasoning"] = {"effort": "low", "summary": "auto"}
        return body

    def continued(self, body, answer, result):
        results = [
            {"type": "function_call_output", "call_id": item.call_id, "output": result}
            for item in answer.output
            if item.type == "function_call"
        ]
        return {**body, "input": [*body["input"], *answer.output, *results]}

    def whole(self, body):
        return client.responses.create(**body)

    def streamed(self, body):
        """The last event has the answer, whether or not it was cut."""
        with client.responses.stream(**body) as events:
            return list(events)[-1].response

    def texts(self, body):
        with client.responses.create(**body, stream=True) as events:
            for event in events:
                yield event.delta if event.type == "response.output_text.delta" else ""

    def heard(self, answer):
        reasoning = [item for item in answer.output if item.type == "reasoning"]
        calls = [item for item in answer.output if item.type == "function_call"]
        usage = answer.usage
        return {
            "text": answer.output_text,
            "thinking": "".join(part.text for item in reasoning for part in item.summary),
            "calls": [called(call.call_id, call.name, call.arguments) for call in calls],
            "finish": answer.status,
            "tokens": usage and [usage.input_tokens, usage.output_tokens],
        }


serve({"chat": Chat(), "responses": Responses()}, openai.APIError, lambda error: error.code)
