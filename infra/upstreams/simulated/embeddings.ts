import { createHash } from 'node:crypto';
import { z } from 'zod';
import { base64Of } from '../../../services/relay/operations/embeddings/base64.ts';
import { countTexts } from './countTexts.ts';
import { jsonOperation } from './operation.ts';
import { badRequest, jsonAnswer } from './prepared.ts';
import { usageMember } from './reportedUsage.ts';

const MAX_INPUTS = 2_048;
const MAX_DIMENSIONS = 4_096;
/** Numbers in one answer: what OpenAI's largest batch has, and a third of it where each is written out, which takes 0.2 s. */
const MAX_NUMBERS = { base64: 3_145_728, float: 1_048_576 };

const tokens = z.array(z.int().min(0)).min(1);
const request = z.looseObject({
  model: z.string().min(1),
  input: z.union(
    [
      z.string().min(1),
      z.array(z.string().min(1)).min(1).max(MAX_INPUTS),
      tokens,
      z.array(tokens).min(1).max(MAX_INPUTS),
    ],
    `must be a text or tokens, or a list of 1 to ${String(MAX_INPUTS)} of them`,
  ),
  dimensions: z.int().min(1).max(MAX_DIMENSIONS).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
});
type Item = string | readonly number[];

/** `POST /v1/embeddings`. */
export const embeddings = jsonOperation({
  schema: request,
  said: ({ input }) => textsAmong(itemsOf(input)).join('\n'),
  answer({ model, input, dimensions, encoding_format }, behaviour) {
    const items = itemsOf(input);
    const length = dimensions ?? usualDimensions(model);
    const format = encoding_format ?? 'float';
    if (items.length * length > MAX_NUMBERS[format]) {
      return badRequest(`input: the simulated upstream gives at most ${String(MAX_NUMBERS[format])} numbers at once`);
    }
    const data = items.map((item, index) => {
      const vector = vectorOf(model, item, length);
      return { object: 'embedding', index, embedding: format === 'base64' ? base64Of(vector) : vector };
    });
    const counted = tokensOf(items);
    const usage = { prompt_tokens: counted, total_tokens: counted };
    return jsonAnswer(
      JSON.stringify({ object: 'list', data, model, ...usageMember(usage, behaviour.usage) }),
      behaviour,
    );
  },
});

/** A list of numbers is one input. */
function itemsOf(input: z.infer<typeof request>['input']): readonly Item[] {
  if (typeof input === 'string') return [input];
  return isTokens(input) ? [input] : input;
}

function isTokens(input: readonly unknown[]): input is number[] {
  return typeof input[0] === 'number';
}

function textsAmong(items: readonly Item[]): string[] {
  return items.filter((item) => typeof item === 'string');
}

function tokensOf(items: readonly Item[]): number {
  const stated = items.reduce((sum, item) => sum + (typeof item === 'string' ? 0 : item.length), 0);
  return stated + countTexts(textsAmong(items));
}

function usualDimensions(model: string): number {
  return model.endsWith('-large') ? 3_072 : 1_536;
}

/** A direction in space that depends on the model and the input alone; its length is 1. */
function vectorOf(model: string, item: Item, length: number): number[] {
  const bytes = createHash('shake256', { outputLength: 2 * length })
    .update(JSON.stringify([model, item]))
    .digest();
  const raw = Array.from({ length }, (_, index) => bytes.readInt16LE(2 * index) + 0.5);
  const norm = Math.sqrt(raw.reduce((sum, value) => sum + value * value, 0));
  return raw.map((value) => Math.round((value / norm) * 1e8) / 1e8);
}
