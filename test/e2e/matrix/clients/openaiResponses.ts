import type OpenAI from 'openai';
import { hearUntil, outputLimit, TOOLS, type DialectClient, type Heard, type Target, type Wish } from './client.ts';
import { OPENAI_FAILURES, openaiFailure, openaiSdk } from './openaiChat.ts';

type Response = OpenAI.Responses.Response;

/** `openai`: responses, nothing stored. */
export function openaiResponses(target: Target): DialectClient {
  const { responses } = openaiSdk(target);
  return {
    name: 'openai responses',
    finishes: { stop: 'completed', tools: 'completed', length: 'incomplete' },
    unsupported: 'unsupported_parameter',
    lacks: new Set(),
    asksForThinking: true,
    showsThinking: true,
    failures: OPENAI_FAILURES,
    async ask(wish) {
      if (!wish.streamed) return heardIn(await responses.create(bodyOf(wish)));
      const stream = responses.stream({ ...bodyOf(wish), stream: true });
      let text = '';
      stream.on('response.output_text.delta', ({ delta }) => (text += delta));
      return { ...heardIn(await stream.finalResponse()), text };
    },
    async leave(wish, pieces) {
      const stream = await responses.create({ ...bodyOf(wish), stream: true });
      async function* texts() {
        for await (const event of stream) yield event.type === 'response.output_text.delta' ? event.delta : '';
      }
      return hearUntil(texts(), pieces, () => stream.controller.abort());
    },
    failureOf: openaiFailure,
  };
}

function bodyOf(wish: Wish): OpenAI.Responses.ResponseCreateParamsNonStreaming {
  const { model, prompt, tools, turn, image, thinking } = wish;
  return {
    model,
    store: false,
    max_output_tokens: outputLimit(wish),
    instructions: 'Be brief.',
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_text', text: prompt },
          ...(image === null
            ? []
            : [{ type: 'input_image' as const, image_url: `data:image/png;base64,${image}`, detail: 'auto' as const }]),
        ],
      },
      ...turnOf(turn),
    ],
    ...(tools && {
      tools: TOOLS.map(({ name, description, schema }) => ({
        type: 'function' as const,
        name,
        description,
        parameters: schema,
        strict: false,
      })),
    }),
    ...(thinking && { reasoning: { effort: 'low', summary: 'auto' } }),
  };
}

function turnOf(turn: Wish['turn']): OpenAI.Responses.ResponseInputItem[] {
  if (turn === null) return [];
  const { calls, text } = turn.heard;
  return [
    ...(text === '' ? [] : [{ role: 'assistant' as const, content: text }]),
    ...calls.map(({ id, name, arguments: given }) => ({
      type: 'function_call' as const,
      call_id: id ?? '',
      name,
      arguments: JSON.stringify(given),
    })),
    ...calls.map(({ id }) => ({ type: 'function_call_output' as const, call_id: id ?? '', output: turn.result })),
  ];
}

function heardIn({ output, output_text: text, status, usage }: Response): Heard {
  return {
    text,
    thinking: output
      .flatMap((item) => (item.type === 'reasoning' ? item.summary : []))
      .map((part) => part.text)
      .join(''),
    calls: output.flatMap((item) =>
      item.type === 'function_call'
        ? [{ id: item.call_id, name: item.name, arguments: JSON.parse(item.arguments) as unknown }]
        : [],
    ),
    finish: status ?? null,
    tokens: usage ? [usage.input_tokens, usage.output_tokens] : null,
  };
}
