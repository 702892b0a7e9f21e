import { totalTokens } from '../../../../events/meters.ts';
import { OPENAI_FACE } from '../../dialects/openai/face.ts';
import { USUAL_PLACES } from '../../http/presentedKey.ts';
import { ApiError } from '../../../http/errors.ts';
import type { Billed, Passage, RelayCall } from '../../call.ts';
import type { Operation } from '../../operation.ts';
import type { Channel } from '../../ports.ts';
import { usageWithCost } from '../../usage/usageCost.ts';
import { isObject, objectsIn, type Json } from '../../wire/json.ts';
import { forwardedBody, jsonRequest, type OperationParts } from '../channels.ts';
import { listAnswer, WholeAnswer, withUsage, type JsonAnswer, type Understood } from '../wholeAnswer.ts';
import { base64Of } from './base64.ts';
import { parseEmbeddingsBody, textsIn, tokensIn, type EmbeddingsBody } from './request.ts';
import { embeddingBounds, embeddingToCount } from './size.ts';
import { askVectors, isVector, readEmbeddingUsage, readVectors, type Vectors } from './vectors.ts';

export function embeddings({ maxDepth }: OperationParts): Operation {
  return {
    path: '/v1/embeddings',
    dialect: 'openai',
    keyPlaces: USUAL_PLACES,
    face: () => ({ ...OPENAI_FACE, streamType: null }),
    read: (raw) => embeddingsCall(raw, maxDepth),
  };
}

/**
 * `POST /v1/embeddings`. `user` is told to providers of this dialect only; tokens in place of texts are refused for all
 * others. Throws ApiError for a body that is not one.
 */
export function embeddingsCall(raw: Buffer, maxDepth: number): RelayCall {
  const body = parseEmbeddingsBody(raw, maxDepth);
  const texts = textsIn(body.input);
  const tokens = tokensIn(body.input);
  const inputs = Array.isArray(body.input) && typeof body.input[0] !== 'number' ? body.input.length : 1;
  return {
    route: '/v1/embeddings',
    model: body.model,
    streamed: false,
    raw,
    bounds: () => embeddingBounds(texts ?? [], tokens, inputs),
    promptToCount: () => embeddingToCount(texts ?? [], tokens),
    passage: (channel) =>
      channel.protocol === 'openai' ? passThrough(raw, body, channel) : crossed(body, texts, channel),
  };
}

function passThrough(raw: Buffer, body: EmbeddingsBody, channel: Channel): Passage {
  const forwarded = forwardedBody(raw, body, channel, { model: channel.upstreamModel });
  return {
    request: jsonRequest('/embeddings', forwarded),
    read: () => new WholeAnswer((text) => understood(text, body, channel)),
  };
}

function understood(text: string, body: EmbeddingsBody, { quirks }: Channel): Understood | null {
  const answer = listAnswer(text, 'data');
  if (!answer) return null;
  const encoded = body.encoding_format === 'base64' ? inBase64(answer) : answer;
  return {
    reported: readEmbeddingUsage(answer.body, quirks),
    write: (billed) => withUsage(encoded, body.model, billedUsage(answer.body['usage'], billed)),
  };
}

/** Some providers know floats only. */
function inBase64(answer: JsonAnswer): JsonAnswer {
  const items = objectsIn(answer.body['data']);
  if (!items.some((item) => isVector(item['embedding']))) return answer;
  const body: Json = {
    ...answer.body,
    data: items.map((item) =>
      isVector(item['embedding']) ? { ...item, embedding: base64Of(item['embedding']) } : item,
    ),
  };
  return { text: JSON.stringify(body), body };
}

function crossed(body: EmbeddingsBody, texts: readonly string[] | null, channel: Channel): Passage {
  if (!texts) {
    throw new ApiError('unsupported_parameter', {
      detail: 'input: the provider of this model takes texts, not tokens',
      param: 'input',
    });
  }
  return {
    request: askVectors({ texts, dimensions: body.dimensions ?? null }, channel),
    read: () =>
      new WholeAnswer((text) => {
        const read = readVectors(text, channel, texts.length);
        return read && { reported: read.reported, write: (billed) => written(read, body, billed) };
      }),
  };
}

function written({ vectors }: Vectors, body: EmbeddingsBody, billed: Billed): string {
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: body.encoding_format === 'base64' ? base64Of(vector) : vector,
  }));
  const answer = JSON.stringify({ object: 'list', data, model: body.model });
  return `${answer.slice(0, -1)},"usage":${billedUsage(null, billed)}}`;
}

/** Every token of an embedding went in. */
function billedUsage(stated: unknown, { usage, picos, currency }: Billed): string {
  const tokens = totalTokens(usage);
  const counts = { prompt_tokens: tokens, total_tokens: tokens };
  return usageWithCost({ ...(isObject(stated) && stated), ...counts }, picos, currency);
}
