import type OpenAI from 'openai';
import { outputLimit, TOOLS, type Heard, type Wish } from './client.ts';

/** The body of a chat completion that asks this. */
export function chatBody(wish: Wish): OpenAI.ChatCompletionCreateParamsNonStreaming {
  const { model, prompt, tools, turn, image, thinking } = wish;
  const content: OpenAI.ChatCompletionUserMessageParam['content'] =
    image === null
      ? prompt
      : [
          { type: 'text', text: prompt },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${image}` } },
        ];
  return {
    model,
    max_completion_tokens: outputLimit(wish),
    messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content }, ...turnOf(turn)],
    ...(tools && { tools: TOOLS.map(toolOf) }),
    ...(thinking && { reasoning_effort: 'low' as const }),
  };
}

function toolOf({ name, description, schema }: (typeof TOOLS)[number]): OpenAI.ChatCompletionTool {
  return { type: 'function', function: { name, description, parameters: schema } };
}

function turnOf(turn: Wish['turn']): OpenAI.ChatCompletionMessageParam[] {
  if (turn === null) return [];
  const { calls, text } = turn.heard;
  return [
    {
      role: 'assistant',
      content: text === '' ? null : text,
      tool_calls: calls.map(({ id, name, arguments: given }) => ({
        id: id ?? '',
        type: 'function',
        function: { name, arguments: JSON.stringify(given) },
      })),
    },
    ...calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id ?? '', content: turn.result })),
  ];
}

/** The extension in which OpenAI's dialect shows thinking. */
export function reasoningIn(from: object | undefined): string {
  const { reasoning_content: reasoning = '' } = (from ?? {}) as { readonly reasoning_content?: string | null };
  return reasoning ?? '';
}

/** What a whole chat completion says. */
export function heardIn(completion: OpenAI.ChatCompletion): Heard {
  const [choice] = completion.choices;
  return {
    text: choice?.message.content ?? '',
    thinking: reasoningIn(choice?.message),
    calls: (choice?.message.tool_calls ?? []).flatMap((call) =>
      call.type === 'function'
        ? [{ id: call.id, name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown }]
        : [],
    ),
    finish: choice?.finish_reason ?? null,
    tokens: completion.usage ? [completion.usage.prompt_tokens, completion.usage.completion_tokens] : null,
  };
}
