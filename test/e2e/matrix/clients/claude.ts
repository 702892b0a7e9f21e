import Anthropic from '@anthropic-ai/sdk';
import {
  hearUntil,
  outputLimit,
  retryAfterIn,
  TOOLS,
  type DialectClient,
  type Heard,
  type Target,
  type Wish,
} from './client.ts';

/** Anthropic's least. */
const THINKING_BUDGET = 1_024;

/** `@anthropic-ai/sdk`. */
export function claude({ baseUrl, key }: Target): DialectClient {
  const { messages } = new Anthropic({ baseURL: baseUrl, apiKey: key, maxRetries: 0, timeout: 20_000 });
  return {
    name: 'anthropic',
    finishes: { stop: 'end_turn', tools: 'tool_use', length: 'max_tokens' },
    unsupported: 'invalid_request_error',
    lacks: new Set(),
    asksForThinking: true,
    showsThinking: true,
    failures: {
      400: { kind: 'BadRequestError', status: 400, code: 'invalid_request_error' },
      429: { kind: 'RateLimitError', status: 429, code: 'rate_limit_error' },
      502: { kind: 'InternalServerError', status: 502, code: 'api_error' },
      stream: { kind: 'APIError', status: null },
    },
    async ask(wish) {
      const body = bodyOf(wish);
      return heardIn(await (wish.streamed ? messages.stream(body).finalMessage() : messages.create(body)));
    },
    async leave(wish, pieces) {
      const stream = await messages.create({ ...bodyOf(wish), stream: true });
      async function* texts() {
        for await (const event of stream) {
          yield event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : '';
        }
      }
      return hearUntil(texts(), pieces, () => stream.controller.abort());
    },
    failureOf(error) {
      if (!(error instanceof Anthropic.APIError)) throw error;
      return {
        kind: error.constructor.name,
        status: (error.status as number | undefined) ?? null,
        code: error.type,
        retryAfter: retryAfterIn(error.headers as Headers | undefined),
      };
    },
  };
}

function bodyOf(wish: Wish): Anthropic.MessageCreateParamsNonStreaming {
  const { model, prompt, tools, turn, image, thinking } = wish;
  return {
    model,
    max_tokens: outputLimit(wish),
    system: 'Be brief.',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: prompt },
          ...(image === null
            ? []
            : [
                {
                  type: 'image' as const,
                  source: { type: 'base64' as const, media_type: 'image/png' as const, data: image },
                },
              ]),
        ],
      },
      ...turnOf(turn),
    ],
    ...(tools && {
      tools: TOOLS.map(({ name, description, schema }) => ({ name, description, input_schema: schema })),
    }),
    ...(thinking && { thinking: { type: 'enabled', budget_tokens: THINKING_BUDGET } }),
  };
}

function turnOf(turn: Wish['turn']): Anthropic.MessageParam[] {
  if (turn === null) return [];
  const { calls, text } = turn.heard;
  return [
    {
      role: 'assistant',
      content: [
        ...(text === '' ? [] : [{ type: 'text' as const, text }]),
        ...calls.map(({ id, name, arguments: input }) => ({ type: 'tool_use' as const, id: id ?? '', name, input })),
      ],
    },
    {
      role: 'user',
      content: calls.map(({ id }) => ({ type: 'tool_result', tool_use_id: id ?? '', content: turn.result })),
    },
  ];
}

function heardIn({ content, stop_reason: finish, usage }: Anthropic.Message): Heard {
  const cached = (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);
  return {
    text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    thinking: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    calls: content.flatMap((block) =>
      block.type === 'tool_use' ? [{ id: block.id, name: block.name, arguments: block.input }] : [],
    ),
    finish,
    tokens: [usage.input_tokens + cached, usage.output_tokens],
  };
}
