import { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';
import { isObject, textIn, type Json } from '../../wire/json.ts';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';
import { MAX_INPUTS } from './request.ts';
import type { TextsToEmbed } from './vectors.ts';

const content = z.union([
  z.string(),
  z.looseObject({ parts: z.union([z.looseObject({}), z.array(z.looseObject({})).min(1).max(1_000)]) }),
]);
const dimensions = z.int().min(1).max(65_536).nullish();
const single = z.looseObject({
  model: z.string().max(300).nullish(),
  content,
  outputDimensionality: dimensions,
  output_dimensionality: dimensions,
});
const batch = z.looseObject({ requests: z.array(single).min(1).max(MAX_INPUTS) });

export type GeminiEmbedMethod = 'embedContent' | 'batchEmbedContents';
type Single = z.infer<typeof single>;

export interface GeminiEmbedBody {
  readonly body: Json;
  readonly requests: readonly Single[];
}

/** Reads a body of either method, in either spelling of its members. Throws ApiError. */
export function parseGeminiEmbed(raw: Buffer, maxDepth: number, method: GeminiEmbedMethod): GeminiEmbedBody {
  if (method === 'embedContent') {
    const body = readJsonBody(raw, maxDepth, single, SINGLE_MEMBERS);
    return { body, requests: [body] };
  }
  const body = readJsonBody(raw, maxDepth, batch, BATCH_MEMBERS);
  return { body, requests: body.requests };
}

const SINGLE_MEMBERS = spellingOf(Object.keys(single.shape));
const BATCH_MEMBERS = spellingOf(Object.keys(batch.shape));

/** Parts that are an image, sound or a file. */
export function attachmentsIn({ requests }: GeminiEmbedBody): number {
  return requests.flatMap(partsOf).filter((part) => typeof part['text'] !== 'string').length;
}

/**
 * The texts of a body for a provider of another dialect. `taskType` and `title` are hints that others have no place for; they are
 * dropped. Throws ApiError `unsupported_parameter` for parts that are no text, and for sizes that differ.
 */
export function textsToEmbed({ requests }: GeminiEmbedBody): TextsToEmbed {
  const sizes = new Set(
    requests.map((request) => request.outputDimensionality ?? request.output_dimensionality ?? null),
  );
  if (sizes.size > 1) throw notCarried('outputDimensionality', 'must be the same in all requests for this model');
  const texts = requests.map((request) => partsOf(request).map(textOfPart).join('\n'));
  if (texts.includes('')) throw new ApiError('invalid_request', { detail: 'content: is empty', param: 'content' });
  return { texts, dimensions: [...sizes][0] ?? null };
}

function partsOf({ content: stated }: Single): readonly Json[] {
  if (typeof stated === 'string') return [{ text: stated }];
  return Array.isArray(stated.parts) ? stated.parts : [stated.parts];
}

function textOfPart(part: Json): string {
  if (!isObject(part) || typeof part['text'] !== 'string') throw notCarried('content', 'only text can be embedded');
  return textIn(part['text']);
}

function notCarried(param: string, what: string): ApiError {
  return new ApiError('unsupported_parameter', { detail: `${param}: ${what}`, param });
}
