import { z } from 'zod';
import { OPENAI_FACE } from '../dialects/openai/face.ts';
import { USUAL_PLACES } from '../http/presentedKey.ts';
import type { RelayCall } from '../call.ts';
import type { Operation } from '../operation.ts';
import { readJsonBody, spellingOf } from '../wire/jsonBody.ts';
import { forwardedBody, jsonRequest, refuseOthers, type OperationParts } from './channels.ts';
import { listAnswer, WholeAnswer, withModel } from './wholeAnswer.ts';

/** What OpenAI takes when a body names none. */
const USUAL_MODEL = 'omni-moderation-latest';
const MAX_INPUTS = 2_048;

const moderationsBody = z.looseObject({
  model: z.string().min(1).max(200).nullish(),
  input: z.union(
    [
      z.string(),
      z.array(z.string()).min(1).max(MAX_INPUTS),
      z
        .array(z.looseObject({ type: z.enum(['text', 'image_url']) }))
        .min(1)
        .max(MAX_INPUTS),
    ],
    `must be a text, or a list of 1 to ${String(MAX_INPUTS)} texts or parts`,
  ),
});

const OUR_MEMBERS = spellingOf(Object.keys(moderationsBody.shape));

export function moderations({ maxDepth }: OperationParts): Operation {
  return {
    path: '/v1/moderations',
    dialect: 'openai',
    keyPlaces: USUAL_PLACES,
    face: () => ({ ...OPENAI_FACE, streamType: null }),
    read: (raw) => moderationsCall(raw, maxDepth),
  };
}

/** Counts as one request and as no tokens, so it is free unless requests of its model have a price. Throws ApiError. */
export function moderationsCall(raw: Buffer, maxDepth: number): RelayCall {
  const body = readJsonBody(raw, maxDepth, moderationsBody, OUR_MEMBERS);
  const model = body.model ?? USUAL_MODEL;
  return {
    route: '/v1/moderations',
    model,
    streamed: false,
    raw,
    bounds: () => ({ inputTokens: 0, outputTokens: 0, other: { requests: 1 } }),
    promptToCount: () => ({ texts: [], overhead: 0 }),
    passage(channel) {
      refuseOthers(channel, ['openai'], 'moderation');
      return {
        request: jsonRequest('/moderations', forwardedBody(raw, body, channel, { model: channel.upstreamModel })),
        read: () =>
          new WholeAnswer((text) => {
            const answer = listAnswer(text, 'results');
            const reported = { input: {}, output: {}, other: { requests: 1 } };
            return answer && { reported, write: () => withModel(answer, model) };
          }),
      };
    },
  };
}
