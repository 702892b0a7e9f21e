import { StoreUnavailable } from '../../events/eventStore.ts';
import { ApiError } from './errors.ts';

/** What a client may know of an error. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreUnavailable) {
    return new ApiError('service_unavailable', { retryAfterMs: 1_000, cause: error });
  }
  return new ApiError('internal_error', { cause: error });
}
