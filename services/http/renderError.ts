import { ERRORS, type ApiError } from './errors.ts';
import type { Dialect } from './route.ts';

/** An error as the dialect's clients read it, with the headers that say whether and when to try again. */
export function renderError(
  error: ApiError,
  dialect: Dialect,
  requestId: string,
): { body: object; headers: Record<string, string> } {
  return { body: body(error, dialect, requestId), headers: errorHeaders(error, requestId) };
}

function body(error: ApiError, dialect: Dialect, requestId: string): object {
  const { message, code, param, extra } = error;
  const { type } = ERRORS[code];
  switch (dialect) {
    case 'openai':
      return { error: { message, type, param, code, request_id: requestId, ...extra } };
    case 'aihub': {
      // AI Hub's table knows one type for everything that is limited.
      const hubType = type === 'insufficient_quota' ? 'rate_limit_error' : type;
      const details = { request_id: requestId, ...(param === null ? {} : { param }), ...extra };
      return { success: false, error: { type: hubType, message, code, details } };
    }
    case 'plain':
      return { code, message, request_id: requestId };
  }
}

function errorHeaders(error: ApiError, requestId: string): Record<string, string> {
  const headers: Record<string, string> = {
    'x-request-id': requestId,
    'x-should-retry': String(ERRORS[error.code].retry),
  };
  if (error.retryAfterMs !== null) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1_000)));
    headers['retry-after-ms'] = String(Math.max(1, Math.ceil(error.retryAfterMs)));
  }
  return headers;
}
