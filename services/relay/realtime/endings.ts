import type { ApiError } from '../../http/errors.ts';
import { machineWord } from '../machineWord.ts';
import type { Ending } from '../settle.ts';
import { isObject, type Json } from '../wire/json.ts';

/** Why a session ends. */
export type Leaving =
  /** `policy`: what the channel does about responses that still run. */
  | { readonly by: 'client' | 'stalled'; readonly policy: 'cancel' | 'drain' | null }
  /** We end it; `ours`: for reasons of our own, a drain or a fault, and not for a revoked key or a spent quota. */
  | { readonly by: 'relay'; readonly ours: boolean }
  | { readonly by: 'upstream' }
  /** No channel opened a session. */
  | { readonly by: 'refused'; readonly error: ApiError };

/** The end of a response that its upstream called done. One that was cancelled is complete: it has its usage. */
export function doneEnding(response: Json): Ending {
  const status = response['status'];
  if (status === 'failed') return { type: 'RequestFailed', code: 'bad_gateway', httpStatus: 200 };
  return { type: 'RequestCompleted', finishReason: machineWord(reasonOf(response) ?? status, 64) };
}

/** Why a response is not complete, by its `status_details`; undefined when it does not say. */
export function reasonOf(response: Json): unknown {
  const details = response['status_details'];
  return isObject(details) ? (details['reason'] ?? undefined) : undefined;
}

/** The end of a hold that was not needed, in a session that goes on. */
export const UNUSED: Ending = { type: 'RequestCompleted', finishReason: 'unused' };

/** We end a session: by this error, or because the process stops. An error of the server is nothing that the client did. */
export function relayLeaves(error: ApiError | null): Leaving {
  return { by: 'relay', ours: error === null || error.status >= 500 };
}

/** The client is not why the session ends, so what has brought nothing costs nothing, as any error before output. */
export function isFaultOfOthers(leaving: Leaving | null): boolean {
  return leaving?.by === 'upstream' || (leaving?.by === 'relay' && leaving.ours);
}

/**
 * The end of what is open when a session ends. `unused`: a hold for what was never asked for, which is nobody's failure
 * when the upstream closes.
 */
export function leftEnding(leaving: Leaving, unused = false): Ending {
  switch (leaving.by) {
    case 'client':
      return { type: 'RequestAborted', reason: 'client_gone', policy: unused ? null : leaving.policy };
    case 'stalled':
      return { type: 'RequestAborted', reason: 'client_stalled', policy: unused ? null : leaving.policy };
    case 'relay':
      return { type: 'RequestAborted', reason: 'shutdown', policy: null };
    case 'upstream':
      return unused ? UNUSED : { type: 'RequestFailed', code: 'bad_gateway', httpStatus: 200 };
    case 'refused':
      return { type: 'RequestFailed', code: leaving.error.code, httpStatus: leaving.error.status };
  }
}
