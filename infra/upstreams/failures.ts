import { errors } from 'undici';
import type { UpstreamFailure } from '../../services/relay/ports.ts';

/** How far a call had come. */
export type CallPhase = 'waiting' | 'connecting' | 'sent' | 'answering';

/**
 * Our kind for an error of undici or of the socket. Before the head of an answer a lost connection is `unreachable`,
 * after it `cut`; something that is not HTTP is `cut` as well.
 */
export function failureOf(error: Error, phase: CallPhase): UpstreamFailure {
  if (phase === 'answering') return { kind: 'cut', cause: error };
  if (error instanceof errors.ConnectTimeoutError || codeOf(error) === 'ETIMEDOUT')
    return { kind: 'timeout', cause: error };
  if (error instanceof errors.HeadersOverflowError) return { kind: 'oversize', cause: error };
  if (error instanceof errors.HTTPParserError) return { kind: 'cut', cause: error };
  return { kind: 'unreachable', cause: error };
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}
