import type { ApiError } from '../../http/errors.ts';
import { machineWord } from '../machineWord.ts';
import type { Ending, MeasuredUsage } from '../settle.ts';
import { isObject, type Json } from '../wire/json.ts';

/** Why a session ends. */
export type Leaving =
  /** `policy`: what the channel does about responses that still run. */
  | { readonly by: 'client' | 'stalled'; readonly policy: 'cancel' | 'drain' | null }
  /** We end it: drain, a revoked key, a spent quota, a fault. */
  | { readonly by: 'relay' }
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
export function unusedEnding({ source }: MeasuredUsage): Ending {
  return { type: 'RequestCompleted', finishReason: source === 'none' ? 'unused' : 'transcribed' };
}

/**
 * The end of what is open when a session ends. `unused`: what a hold has measured whose response was never asked for,
 * which is nobody's failure when the upstream closes.
 */
export function leftEnding(leaving: Leaving, unused: MeasuredUsage | null = null): Ending {
  switch (leaving.by) {
    case 'client':
      return { type: 'RequestAborted', reason: 'client_gone', policy: unused ? null : leaving.policy };
    case 'stalled':
      return { type: 'RequestAborted', reason: 'client_stalled', policy: unused ? null : leaving.policy };
    case 'relay':
      return { type: 'RequestAborted', reason: 'shutdown', policy: null };
    case 'upstream':
      return unused ? unusedEnding(unused) : { type: 'RequestFailed', code: 'bad_gateway', httpStatus: 200 };
    case 'refused':
      return { type: 'RequestFailed', code: leaving.error.code, httpStatus: leaving.error.status };
  }
}
