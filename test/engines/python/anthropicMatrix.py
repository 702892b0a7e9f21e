"""The official Anthropic client for the matrix: messages, a wish per line.

ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY say where and as whom.
"""

import anthropic
from matrixLines import TOOLS, output_limit, serve

client = anthropic.Anthropic(max_retries=0, timeout=20)

# Anthropic's least.
THINKING_BUDGET = 1_024


class Messages:
    def body(self, wish):
        content = [{"type": "text", "text": wish["prompt"]}]
        if wish["image"]:
            source = {"type": "base64", "media_type": "image/png", "data": wish["image"]}
            content += [{"type": "image", "source": source}]
        body = {
            "model": wish["model"],
            "max_tokens": output_limit(wish),
            "system": "Be brief.",
            "messages": [{"role": "user", "content": content}],
        }
        if wish["tools"]:
            body["tools"] = [
                {"name": name, "description": told, "input_schema": schema} for name, told, schema in TOOLS
            ]
        if wish["thinking"]:
            body["thinking"] = {"type": "enabled", "budget_tokens": THINKING_BUDGET}
        return body

    def continued(self, body, answer, result):
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": result}
            for block in answer.content
            if block.type == "tool_use"
        ]
        turn = [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
        return {**body, "messages": body["messages"] + turn}

    def whole(self, body):
        return client.messages.create(**body)

    def streamed(self, body):
        with client.messages.stream(**body) as events:
            return events.get_final_message()

    def texts(self, body):
        with client.messages.stream(**body) as events:
            yield from events.text_stream

    def heard(self, answer):
        blocks, usage = answer.content, answer.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        calls = [block for block in blocks if block.type == "tool_use"]
        return {
            "text": "".join(block.text for block in blocks if block.type == "text"),
            "thinking": "".join(block.thinking for block in blocks if block.type == "thinking"),
            "calls": [{"id": call.id, "name": call.name, "arguments": call.input} for call in calls],
            "finish": answer.stop_reason,
            "tokens": [usage.input_tokens + cached, usage.output_tokens],
        }


serve({"messages": Messages()}, anthropic.APIError, lambda error: getattr(error, "type", None))
