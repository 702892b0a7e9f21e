import { ApiError } from '../../http/errors.ts';
import { geminiCall } from '../dialects/gemini/call.ts';
import { countTokensAnswer, parseCountTokens } from '../dialects/gemini/countTokens.ts';
import { GEMINI_ARRAY_FACE, GEMINI_SSE_FACE, GEMINI_WHOLE_FACE } from '../dialects/gemini/face.ts';
import { parseModelPath, type ModelPath } from '../dialects/gemini/path.ts';
import type { ClientFace, RelayCall } from '../call.ts';
import type { Spoken } from '../dialects/protocols.ts';
import { GEMINI_PLACES } from '../http/presentedKey.ts';
import type { CountOperation } from '../http/tokenCounting.ts';
import type { Incoming, Operation } from '../operation.ts';
import { geminiEmbedCall } from './embeddings/geminiEmbedCall.ts';

/** Google's clients name model and method in the path: `/v1beta/models/gemini-2.5-flash:generateContent`. */
export const GEMINI_PATH = '/v1beta/models/*';

/** What every method but `countTokens` does. */
export function geminiOperation({ maxDepth, spoken }: { maxDepth: number; spoken: Spoken }): Operation {
  return {
    path: GEMINI_PATH,
    dialect: 'gemini',
    keyPlaces: GEMINI_PLACES,
    face: geminiFace,
    read(raw, incoming): RelayCall {
      const { model, method } = targetOf(incoming);
      switch (method) {
        case 'generateContent':
        case 'streamGenerateContent':
          return geminiCall(raw, maxDepth, { model, method, sse: wantsEvents(incoming) }, spoken);
        case 'embedContent':
        case 'batchEmbedContents':
          return geminiEmbedCall(raw, maxDepth, { model, method, spoken });
        case 'countTokens':
          throw new ApiError('not_found');
      }
    },
  };
}

export function geminiCounting(maxDepth: number): CountOperation {
  return {
    path: GEMINI_PATH,
    keyPlaces: GEMINI_PLACES,
    face: GEMINI_WHOLE_FACE,
    read: (raw) => parseCountTokens(raw, maxDepth),
    answer: countTokensAnswer,
  };
}

export function countsTokens(target: string): boolean {
  return /:countTokens(\?|$)/i.test(target);
}

function geminiFace(incoming: Incoming): ClientFace {
  if (parseModelPath(incoming.rest)?.method !== 'streamGenerateContent') return GEMINI_WHOLE_FACE;
  return wantsEvents(incoming) ? GEMINI_SSE_FACE : GEMINI_ARRAY_FACE;
}

function wantsEvents({ query }: Incoming): boolean {
  return query.get('alt') === 'sse';
}

function targetOf({ rest }: Incoming): ModelPath {
  const target = parseModelPath(rest);
  if (!target) throw new ApiError('not_found');
  return target;
}
