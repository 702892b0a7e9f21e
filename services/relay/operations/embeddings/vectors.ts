import type { UpstreamRequest } from '../../call.ts';
import type { Channel } from '../../ports.ts';
import { atPath, readUsage } from '../../dialects/openai/reportedUsage.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { isObject, objectsIn, parseObject, type Json } from '../../wire/json.ts';
import { jsonRequest, lacking } from '../channels.ts';
import { countIn } from '../mediaUsage.ts';
import { vectorOf } from './base64.ts';

/** Texts to embed, for a channel of another dialect than the client's. */
export interface TextsToEmbed {
  readonly texts: readonly string[];
  readonly dimensions: number | null;
}

export interface Vectors {
  /** In the order of the texts, one for each. */
  readonly vectors: readonly (readonly number[])[];
  readonly reported: ReportedUsage;
}

/**
 * How a protocol embeds texts. Ollama is told not to cut texts that are too long, for OpenAI and Gemini refuse them.
 * Throws ApiError `unsupported_parameter` for a protocol that does not embed.
 */
export function askVectors({ texts, dimensions }: TextsToEmbed, { protocol, upstreamModel }: Channel): UpstreamRequest {
  switch (protocol) {
    case 'openai':
      return jsonRequest('/embeddings', {
        model: upstreamModel,
        input: texts,
        encoding_format: 'float',
        ...(dimensions !== null && { dimensions }),
      });
    case 'gemini':
      return jsonRequest(geminiPath(upstreamModel, 'batchEmbedContents'), {
        requests: texts.map((text) => ({
          model: `models/${upstreamModel}`,
          content: { parts: [{ text }] },
          ...(dimensions !== null && { outputDimensionality: dimensions }),
        })),
      });
    case 'ollama':
      return jsonRequest('/api/embed', {
        model: upstreamModel,
        input: texts,
        truncate: false,
        ...(dimensions !== null && { dimensions }),
      });
    case 'claude':
    case 'fastgpt':
    case 'dify':
    case 'coze':
      throw lacking('embeddings');
  }
}

export function geminiPath(model: string, method: string): string {
  return `/models/${encodeURIComponent(model)}:${method}`;
}

/** The vectors of an answer to `askVectors`; null when it is an error in disguise, or has not one for each text. */
export function readVectors(text: string, { protocol, quirks }: Channel, wanted: number): Vectors | null {
  const body = parseObject(text);
  if (!body || body['error']) return null;
  const vectors = statedVectors(body, protocol).map(asVector);
  if (vectors.length !== wanted || !vectors.every((vector) => vector !== null)) return null;
  return { vectors, reported: { input: reportedInput(body, protocol, quirks), output: {} } };
}

function statedVectors(body: Json, protocol: Channel['protocol']): readonly unknown[] {
  if (protocol === 'ollama') return Array.isArray(body['embeddings']) ? body['embeddings'] : [];
  if (protocol === 'gemini') return objectsIn(body['embeddings']).map((embedding) => embedding['values']);
  return objectsIn(body['data'])
    .map((item, position) => ({ place: countIn(item['index']) ?? position, stated: item['embedding'] }))
    .sort((left, right) => left.place - right.place)
    .map(({ stated }) => stated);
}

function asVector(stated: unknown): readonly number[] | null {
  if (typeof stated === 'string') return vectorOf(stated);
  return isVector(stated) ? stated : null;
}

export function isVector(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
}

function reportedInput(body: Json, protocol: Channel['protocol'], quirks: Channel['quirks']): ReportedUsage['input'] {
  if (protocol === 'openai') return readEmbeddingUsage(body, quirks).input;
  const metadata = body['usageMetadata'];
  const stated = protocol === 'ollama' ? body['prompt_eval_count'] : isObject(metadata) && metadata['promptTokenCount'];
  const tokens = countIn(stated);
  return tokens === null ? null : { uncachedInput: tokens };
}

/** Embeddings have no output; some providers state the total alone. */
export function readEmbeddingUsage(body: Json, quirks: Channel['quirks']): ReportedUsage {
  const stated = atPath(body, quirks.usagePath) ?? body['usage'];
  const { input } = readUsage(stated, quirks);
  const total = countIn(isObject(stated) ? stated['total_tokens'] : null);
  return { input: input ?? (total === null ? null : { uncachedInput: total }), output: {} };
}
