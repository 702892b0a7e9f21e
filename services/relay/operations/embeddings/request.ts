import { z } from 'zod';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';

/** OpenAI's largest batch. */
export const MAX_INPUTS = 2_048;

const text = z.string().min(1);
const tokens = z.array(z.int().min(0)).min(1);

/** `POST /v1/embeddings`: what we act on, with bounds; every other field is passed through untouched. */
const embeddingsBody = z.looseObject({
  model: z.string().min(1).max(200),
  input: z.union(
    [text, z.array(text).min(1).max(MAX_INPUTS), tokens, z.array(tokens).min(1).max(MAX_INPUTS)],
    `must be a text or tokens, or a list of 1 to ${String(MAX_INPUTS)} of them`,
  ),
  dimensions: z.int().min(1).max(65_536).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
});

export type EmbeddingsBody = z.infer<typeof embeddingsBody>;
export type EmbeddingsInput = EmbeddingsBody['input'];

export function parseEmbeddingsBody(raw: Buffer, maxDepth: number): EmbeddingsBody {
  return readJsonBody(raw, maxDepth, embeddingsBody, OUR_MEMBERS);
}

const OUR_MEMBERS = spellingOf(Object.keys(embeddingsBody.shape));

/** The texts of an input; null for one of tokens, which only the provider of its tokenizer can read. */
export function textsIn(input: EmbeddingsInput): readonly string[] | null {
  if (typeof input === 'string') return [input];
  return isTexts(input) ? input : null;
}

/** Tokens of an input that is made of them. */
export function tokensIn(input: EmbeddingsInput): number {
  if (typeof input === 'string' || isTexts(input)) return 0;
  return input.reduce<number>((sum, item) => sum + (typeof item === 'number' ? 1 : item.length), 0);
}

function isTexts(input: Exclude<EmbeddingsInput, string>): input is string[] {
  return typeof input[0] === 'string';
}
