import { ApiError } from '../../http/errors.ts';
import type { CallerKey } from '../ports.ts';
import type { Leaving } from './endings.ts';
import type { RealtimeUpstream } from './ports.ts';
import type { OpenCallsParts } from './openCalls.ts';

export interface SessionParts extends OpenCallsParts {
  readonly upstream: RealtimeUpstream;
  readonly times: SessionTimes;
  /** Bytes of frames that may wait for the upstream to open before their client must. */
  readonly maxEarlyBytes: number;
}

/** Milliseconds. */
export interface SessionTimes {
  /** How often it is checked that the key is still good. */
  readonly recheckMs: number;
  /** A hold that stands unused this long is replaced; shorter than holds live. */
  readonly renewMs: number;
  /** For the first frame of a client that has not named its model. */
  readonly firstFrameMs: number;
  /** For the usage of a response that we have cancelled. */
  readonly cancelMs: number;
  /** A side that takes nothing for so long has stalled. */
  readonly stallMs: number;
}

export interface SessionSetting {
  readonly sessionId: string;
  readonly simple: boolean;
  /** Throws ApiError once the key is no longer good. */
  readonly authenticate: () => CallerKey;
}

/** How a session ends. */
export interface Exit {
  readonly leaving: Leaving;
  readonly error: ApiError | null;
  /** Of the close frame to the client. */
  readonly code: number;
}

/** RFC 6455's registry of close codes. */
export const CLOSE = { normal: 1000, unsupportedData: 1003, fault: 1011, restart: 1012 } as const;

export function modelMissing(): ApiError {
  return new ApiError('invalid_request', {
    detail: 'Name the model: connect with ?model=, or send session.update with session.model first.',
    param: 'model',
  });
}
