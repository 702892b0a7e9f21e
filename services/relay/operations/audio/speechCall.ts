import { OPENAI_FACE } from '../../dialects/openai/face.ts';
import { USUAL_PLACES } from '../../http/presentedKey.ts';
import type { ClientFace, RelayCall } from '../../call.ts';
import type { Operation } from '../../operation.ts';
import type { Channel } from '../../ports.ts';
import { forwardedBody, jsonRequest, refuseOthers, type OperationParts } from '../channels.ts';
import { isSoldByToken } from '../meteredBy.ts';
import { readSpeech } from './speechAnswer.ts';
import { parseSpeechBody, speechBounds, speechPromptToCount, type SpeechBody } from './speechRequest.ts';

/** Sound has no place for an error: where it ends early, the connection does. */
const SOUND_FACE: ClientFace = { dialect: 'openai', streamType: null, keepAlive: null, errorEvent: () => null };

export function speech({ maxDepth }: OperationParts): Operation {
  return {
    path: '/v1/audio/speech',
    dialect: 'openai',
    keyPlaces: USUAL_PLACES,
    face: () => SOUND_FACE,
    read: (raw) => speechCall(raw, maxDepth),
  };
}

/** `POST /v1/audio/speech`. Throws ApiError for a body that is not one. */
export function speechCall(raw: Buffer, maxDepth: number): RelayCall {
  const body = parseSpeechBody(raw, maxDepth);
  return {
    face: body.stream_format === 'sse' ? OPENAI_FACE : SOUND_FACE,
    route: '/v1/audio/speech',
    model: body.model,
    streamed: true,
    raw,
    bounds: () => speechBounds(body),
    promptToCount: () => speechPromptToCount(body),
    passage(channel) {
      refuseOthers(channel, ['openai'], 'speech');
      const changes = { model: channel.upstreamModel, ...(asksEvents(body, channel) && { stream_format: 'sse' }) };
      return {
        request: jsonRequest('/audio/speech', forwardedBody(raw, body, channel, changes), '*/*'),
        read: (headers) => readSpeech(body, headers),
      };
    },
  };
}

/** What is sold by the token states its tokens only in events. */
function asksEvents(body: SpeechBody, { upstreamModel, quirks }: Channel): boolean {
  if (body.stream_format === 'sse') return true;
  return isSoldByToken(upstreamModel) && !quirks.stripsParams.includes('stream_format');
}
