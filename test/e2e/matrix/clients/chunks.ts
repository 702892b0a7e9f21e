import type OpenAI from 'openai';
import { reasoningIn } from './chatBody.ts';
import type { Heard, HeardCall } from './client.ts';
import { HttpFailure, linesOf } from './http.ts';

type Chunk = OpenAI.ChatCompletionChunk & { readonly error?: unknown };

/** The chunks of a stream; rejects with HttpFailure at one that is an error. */
export async function* chunksOf(response: Response): AsyncGenerator<Chunk> {
  for await (const chunk of linesOf<Chunk>(response, 'data: ')) {
    if (chunk.error !== undefined || 'code' in chunk) throw new HttpFailure(null, { ...chunk });
    yield chunk;
  }
}

export async function* textsOf(response: Response): AsyncGenerator<string> {
  for await (const chunk of chunksOf(response)) yield chunk.choices[0]?.delta.content ?? '';
}

/** Puts the chunks of a stream together, as clients without an SDK do. */
export function heardInChunks(chunks: readonly Chunk[]): Heard {
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const pieces = choices.flatMap(({ delta }) => delta.tool_calls ?? []);
  const usage = chunks.findLast((chunk) => chunk.usage)?.usage;
  const calls: HeardCall[] = [...new Set(pieces.map(({ index }) => index))].map((index) => {
    const own = pieces.filter((piece) => piece.index === index);
    const json = own.map((piece) => piece.function?.arguments ?? '').join('');
    return {
      id: own[0]?.id ?? null,
      name: own[0]?.function?.name ?? '',
      arguments: JSON.parse(json) as unknown,
    };
  });
  return {
    text: choices.map(({ delta }) => delta.content ?? '').join(''),
    thinking: choices.map(({ delta }) => reasoningIn(delta)).join(''),
    calls,
    finish: choices.at(-1)?.finish_reason ?? null,
    tokens: usage ? [usage.prompt_tokens, usage.completion_tokens] : null,
  };
}
