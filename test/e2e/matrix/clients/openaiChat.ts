import OpenAI from 'openai';
import { chatBody, heardIn, reasoningIn } from './chatBody.ts';
import {
  hearUntil,
  retryAfterIn,
  type DialectClient,
  type Failure,
  type Heard,
  type Target,
  type Wish,
} from './client.ts';

/** The official SDK, which never retries here. */
export function openaiSdk({ baseUrl, key }: Target): OpenAI {
  return new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, maxRetries: 0, timeout: 20_000 });
}

export function openaiFailure(error: unknown): Failure {
  if (!(error instanceof OpenAI.APIError)) throw error;
  return {
    kind: error.constructor.name,
    status: (error.status as number | undefined) ?? null,
    code: error.code ?? null,
    retryAfter: retryAfterIn(error.headers as Headers | undefined),
  };
}

/** What OpenAI's SDK throws, whichever of its APIs is called. */
export const OPENAI_FAILURES = {
  400: { kind: 'BadRequestError', status: 400, code: 'upstream_invalid_request' },
  429: { kind: 'RateLimitError', status: 429, code: 'upstream_rate_limited' },
  502: { kind: 'InternalServerError', status: 502, code: 'bad_gateway' },
  stream: { kind: 'APIError', status: null },
} as const;

/** `openai`: chat completions. */
export function openaiChat(target: Target): DialectClient {
  const { chat } = openaiSdk(target);
  const streamed = (wish: Wish) =>
    chat.completions.stream({ ...chatBody(wish), stream: true, stream_options: { include_usage: true } });
  return {
    name: 'openai chat',
    finishes: { stop: 'stop', tools: 'tool_calls', length: 'length' },
    unsupported: 'unsupported_parameter',
    lacks: new Set(),
    asksForThinking: true,
    showsThinking: true,
    failures: OPENAI_FAILURES,
    async ask(wish): Promise<Heard> {
      if (!wish.streamed) return heardIn(await chat.completions.create(chatBody(wish)));
      const stream = streamed(wish);
      let thinking = '';
      stream.on('chunk', ({ choices: [choice] }) => (thinking += reasoningIn(choice?.delta)));
      return { ...heardIn(await stream.finalChatCompletion()), thinking };
    },
    async leave(wish, pieces) {
      const stream = await chat.completions.create({ ...chatBody(wish), stream: true });
      async function* texts() {
        for await (const chunk of stream) yield chunk.choices[0]?.delta.content ?? '';
      }
      return hearUntil(texts(), pieces, () => stream.controller.abort());
    },
    failureOf: openaiFailure,
  };
}
