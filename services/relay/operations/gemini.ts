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

/**
 * Google's clients name model and method in the path: `/v1beta/models/gemini-2.5-flash:generateContent`. Their official
 * library asks for `v1` unless it is told otherwise.
 */
const GEMINI_PATHS = ['/v1beta/models/*', '/v1/models/*'] as const;
type GeminiPath = (typeof GEMINI_PATHS)[number];

/** What every method but `countTokens` does, at each of the paths. */
export function geminiOperations(setting: { maxDepth: number; spoken: Spoken }): readonly Operation[] {
  return GEMINI_PATHS.map((path) => geminiOperation(path, setting));
}

function geminiOperation(path: GeminiPath, { maxDepth, spoken }: { maxDepth: number; spoken: Spoken }): Operation {
  return {
    path,
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

/** In the order of `geminiOperations`. */
export function geminiCountings(maxDepth: number): readonly CountOperation[] {
  return GEMINI_PATHS.map((path) => ({
    path,
    keyPlaces: GEMINI_PLACES,
    face: GEMINI_WHOLE_FACE,
    read: (raw) => parseCountTokens(raw, maxDepth),
    answer: countTokensAnswer,
  }));
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
