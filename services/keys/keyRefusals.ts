import { ApiError } from '../http/errors.ts';
import type { KeyRefusal } from './key.commands.ts';
import type { IssuedKey } from './key.decider.ts';

/** Nothing but an id of ours may name a stream. Throws ApiError `not_found`. */
export function checkedId(keyId: string): string {
  if (!/^key_[0-9a-f]{32}$/.test(keyId)) throw new ApiError('not_found');
  return keyId;
}

/** A key after a change that was not refused. */
export function issued(state: { readonly status: 'none' } | IssuedKey): IssuedKey {
  if (state.status === 'none') throw new Error('a key that was changed does not exist');
  return state;
}

/** How a refusal of the decider is told. */
export function refusalError(refusal: KeyRefusal): ApiError {
  switch (refusal) {
    case 'unknown_key':
      return new ApiError('not_found');
    case 'expiry_in_past':
      return new ApiError('invalid_request', { param: 'expires_at', detail: 'The expiry must be in the future.' });
    case 'invalid_limits':
      return new ApiError('invalid_request', { param: 'limits' });
    case 'overlap_out_of_range':
      return new ApiError('invalid_request', { param: 'overlap_ms', detail: 'The overlap must be 0 to 30 days.' });
    case 'suspended':
      return new ApiError('key_state', {
        detail: 'An administrator disabled this API key, so only an administrator can enable it.',
        extra: { reason: refusal },
      });
    case 'already_issued':
    case 'revoked':
    case 'expired':
    case 'not_due':
      return new ApiError('key_state', { extra: { reason: refusal } });
  }
}
