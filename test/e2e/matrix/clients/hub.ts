import type OpenAI from 'openai';
import { chatBody, heardIn } from './chatBody.ts';
import { chunksOf, heardInChunks, textsOf } from './chunks.ts';
import { all, hearUntil, type DialectClient, type Target, type Wish } from './client.ts';
import { httpFailure, post } from './http.ts';

interface Envelope {
  readonly success: boolean;
  readonly data: OpenAI.ChatCompletion & { readonly cost: number };
}

/** AI Hub by plain fetch: answers in an envelope, streams bare. */
export function hub(target: Target): DialectClient {
  const stream = (wish: Wish, signal?: AbortSignal) =>
    post(target, {
      path: '/api/v1/chat/stream',
      body: { ...chatBody(wish), stream: true, stream_options: { include_usage: true } },
      ...(signal && { signal }),
    });
  return {
    name: 'ai hub',
    finishes: { stop: 'stop', tools: 'tool_calls', length: 'length' },
    unsupported: 'unsupported_parameter',
    lacks: new Set(),
    asksForThinking: true,
    showsThinking: true,
    failures: {
      400: { kind: 'fetch', status: 400, code: 'upstream_invalid_request' },
      429: { kind: 'fetch', status: 429, code: 'upstream_rate_limited' },
      502: { kind: 'fetch', status: 502, code: 'bad_gateway' },
      stream: { kind: 'fetch', status: null },
    },
    async ask(wish) {
      if (wish.streamed) return heardInChunks(await all(chunksOf(await stream(wish))));
      const response = await post(target, { path: '/api/v1/chat/completions', body: chatBody(wish) });
      const { success, data } = (await response.json()) as Envelope;
      if (!success || typeof data.cost !== 'number') throw new Error(`not an envelope: ${JSON.stringify(data)}`);
      return heardIn(data);
    },
    async leave(wish, pieces) {
      const leaving = new AbortController();
      return hearUntil(textsOf(await stream(wish, leaving.signal)), pieces, () => leaving.abort());
    },
    failureOf: (error) => httpFailure(error, (body) => (body['error'] as { code?: unknown } | undefined)?.code),
  };
}
