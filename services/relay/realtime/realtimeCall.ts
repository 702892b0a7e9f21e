import type { AdmissibleCall } from '../admission.ts';
import type { Channel, Router } from '../ports.ts';
import { REALTIME_PATH } from './handshake.ts';

const NO_BYTES = Buffer.alloc(0);
/** Audio that fills the context at ten tokens a second is the most that one transcription can be of. */
const TOKENS_PER_SECOND = 10;

/** One response or transcription of a session, as admission sees it. */
export function realtimeCall(model: string, maxInputTokens: number): AdmissibleCall {
  return {
    route: REALTIME_PATH,
    model,
    streamed: true,
    raw: NO_BYTES,
    bounds: (maxOutputTokens) => ({
      inputTokens: maxInputTokens,
      outputTokens: maxOutputTokens,
      other: { seconds: Math.ceil(maxInputTokens / TOKENS_PER_SECOND) },
    }),
  };
}

/** The channel to which a session is connected, whether or not it cools off for others. */
export function onlyChannel(channel: Channel): Router {
  return {
    candidates: () => [channel],
    models: () => null,
    succeeded: () => undefined,
    failed: () => undefined,
  };
}
