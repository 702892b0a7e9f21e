import type OpenAI from 'openai';
import { heardIn } from './chatBody.ts';
import { chunksOf, heardInChunks, textsOf } from './chunks.ts';
import { all, hearUntil, type DialectClient, type Target, type Wish } from './client.ts';
import { TOOL_FEATURES, type Feature } from '../features.ts';
import { httpFailure, post } from './http.ts';

export const GATEWAY = 'agent gateway';

/** A gateway's query is a text: no tools, no limit, and no image but by its address. */
const UNSPOKEN = new Set<Feature>([...TOOL_FEATURES, 'length', 'image']);

/** The agent gateway by plain fetch; the wish's model is the agent that the header names. */
export function gateway(target: Target): DialectClient {
  const ask = ({ model, prompt, streamed }: Wish, signal?: AbortSignal) =>
    post(target, {
      path: '/api/v1/chat',
      headers: { Agent: model },
      body: { query: prompt, user: 'user-1', stream: streamed },
      ...(signal && { signal }),
    });
  return {
    name: GATEWAY,
    finishes: { stop: 'stop', tools: 'stop', length: 'length' },
    unsupported: 'unsupported_parameter',
    lacks: UNSPOKEN,
    asksForThinking: false,
    showsThinking: true,
    failures: {
      400: { kind: 'fetch', status: 400, code: 'upstream_invalid_request' },
      429: { kind: 'fetch', status: 429, code: 'upstream_rate_limited' },
      502: { kind: 'fetch', status: 502, code: 'bad_gateway' },
      stream: { kind: 'fetch', status: null },
    },
    async ask(wish) {
      const response = await ask(wish);
      if (wish.streamed) return heardInChunks(await all(chunksOf(response)));
      return heardIn((await response.json()) as OpenAI.ChatCompletion);
    },
    async leave(wish, pieces) {
      const leaving = new AbortController();
      return hearUntil(textsOf(await ask(wish, leaving.signal)), pieces, () => leaving.abort());
    },
    failureOf: (error) => httpFailure(error, ({ detail }) => detail),
  };
}
