import { totalTokens, type UsageVector } from '../../../events/meters.ts';
import { z } from 'zod';
import { OPENAI_FACE } from '../dialects/openai/face.ts';
import { USUAL_PLACES } from '../http/presentedKey.ts';
import type { Billed, RelayCall } from '../call.ts';
import type { Operation } from '../operation.ts';
import { bodyToCount, bodyTokenBound, type BodyRules } from '../usage/bodySize.ts';
import type { ReportedUsage } from '../usage/reported.ts';
import { usageWithCost } from '../usage/usageCost.ts';
import { isObject, type Json } from '../wire/json.ts';
import { readJsonBody, spellingOf } from '../wire/jsonBody.ts';
import { forwardedBody, jsonRequest, refuseOthers, type OperationParts } from './channels.ts';
import { countIn } from './mediaUsage.ts';
import { listAnswer, WholeAnswer, withUsage } from './wholeAnswer.ts';

const MAX_DOCUMENTS = 2_048;
/** Each document is read together with the query, so the query counts as often as there are documents. */
const MAX_QUERY_CHARACTERS = 32_768;
/** Cohere's search unit: a query with so many documents; one longer than 500 tokens, query included, counts as several. */
const DOCUMENTS_PER_UNIT = 100;
const TOKENS_PER_PIECE = 500;
/** Cohere cuts a document into pieces, and puts the query before each: with a long query more pieces than this are absurd. */
const MAX_PIECES_PER_DOCUMENT = 1_000;

const rerankBody = z.looseObject({
  model: z.string().min(1).max(200),
  query: z.union([z.string().min(1).max(MAX_QUERY_CHARACTERS), z.looseObject({})]),
  documents: z
    .array(z.union([z.string(), z.looseObject({})]))
    .min(1)
    .max(MAX_DOCUMENTS),
  top_n: z.int().min(1).nullish(),
  return_documents: z.boolean().nullish(),
});
type RerankBody = z.infer<typeof rerankBody>;

const OUR_MEMBERS = spellingOf(Object.keys(rerankBody.shape));

const SIZE_RULES: BodyRules = {
  outside: new Set(['model', 'top_n', 'return_documents', 'rank_fields', 'max_chunks_per_doc', 'max_tokens_per_doc']),
  attached: new Set(['image']),
  silent: new Set(['id']),
};

export function rerank({ maxDepth }: OperationParts): Operation {
  return {
    path: '/v1/rerank',
    dialect: 'openai',
    keyPlaces: USUAL_PLACES,
    face: () => ({ ...OPENAI_FACE, streamType: null }),
    read: (raw) => rerankCall(raw, maxDepth),
  };
}

/** `POST /v1/rerank`, as Jina and Cohere have it. Throws ApiError for a body that is not one. */
export function rerankCall(raw: Buffer, maxDepth: number): RelayCall {
  const body = readJsonBody(raw, maxDepth, rerankBody, OUR_MEMBERS);
  return {
    route: '/v1/rerank',
    model: body.model,
    streamed: false,
    raw,
    bounds: () => ({ inputTokens: tokenBound(body), outputTokens: 0, other: { requests: unitBound(body) } }),
    promptToCount: () => bodyToCount(body, SIZE_RULES),
    passage(channel) {
      refuseOthers(channel, ['openai'], 'reranking');
      return {
        request: jsonRequest('/rerank', forwardedBody(raw, body, channel, { model: channel.upstreamModel })),
        read: () =>
          new WholeAnswer((text) => {
            const answer = listAnswer(text, 'results') ?? listAnswer(text, 'data');
            return (
              answer && {
                reported: readRerankUsage(answer.body),
                write: (billed) => withUsage(answer, body.model, billedUsage(answer.body['usage'], billed)),
              }
            );
          }),
      };
    },
  };
}

function tokenBound(body: RerankBody): number {
  return (
    bodyTokenBound(body, SIZE_RULES) + (body.documents.length - 1) * bodyTokenBound({ query: body.query }, SIZE_RULES)
  );
}

function unitBound(body: RerankBody): number {
  const query = bodyTokenBound({ query: body.query }, SIZE_RULES);
  let pieces = 0;
  for (const document of body.documents) {
    const tokens = bodyTokenBound({ document }, SIZE_RULES);
    const room = Math.max(TOKENS_PER_PIECE - query, 1);
    pieces += Math.min(Math.max(Math.ceil(tokens / room), 1), MAX_PIECES_PER_DOCUMENT);
  }
  return Math.ceil(pieces / DOCUMENTS_PER_UNIT);
}

/** Jina states tokens, Cohere search units and sometimes tokens. Search units count as requests. */
export function readRerankUsage(body: Json): ReportedUsage {
  const usage = objectIn(body, 'usage');
  const meta = objectIn(body, 'meta');
  const billed = objectIn(meta, 'billed_units');
  const tokens =
    countIn(usage['total_tokens']) ??
    countIn(usage['prompt_tokens']) ??
    countIn(objectIn(meta, 'tokens')['input_tokens']) ??
    countIn(billed['input_tokens']);
  const units = countIn(billed['search_units']);
  const input: UsageVector | null = tokens === null ? null : { uncachedInput: tokens };
  return { input, output: {}, other: { requests: Math.max(units ?? 1, 1) } };
}

function objectIn(source: Json, member: string): Json {
  const value = source[member];
  return isObject(value) ? value : {};
}

function billedUsage(stated: unknown, { usage, picos, currency }: Billed): string {
  return usageWithCost({ ...(isObject(stated) && stated), total_tokens: totalTokens(usage) }, picos, currency);
}
