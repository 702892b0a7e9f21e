import { formatPicos, type Currency, type Picos } from '../../../events/money.ts';
import { ERRORS, type ApiError } from '../../http/errors.ts';
import type { RateDecision } from '../ports.ts';

/** The OpenAI error object with our request id and the error's own public fields. */
export function openaiErrorBody(error: ApiError, requestId: string): string {
  const { type } = ERRORS[error.code];
  return JSON.stringify({
    error: {
      message: error.message,
      type,
      param: error.param,
      code: error.code,
      request_id: requestId,
      ...error.extra,
    },
  });
}

/** `x-request-id`, whether a retry makes sense, and when. */
export function errorHeaders(error: ApiError, requestId: string): string[] {
  const headers = ['x-request-id', requestId, 'x-should-retry', String(ERRORS[error.code].retry)];
  if (error.retryAfterMs !== null) {
    headers.push('retry-after', String(Math.max(1, Math.ceil(error.retryAfterMs / 1_000))));
    headers.push('retry-after-ms', String(Math.max(1, Math.ceil(error.retryAfterMs))));
  }
  return headers;
}

/** OpenAI's rate-limit headers for the limits that the key has; reset as a duration such as `1.5s`. */
export function rateHeaders(rate: RateDecision): string[] {
  const headers: string[] = [];
  for (const [name, state] of [
    ['requests', rate.requests],
    ['tokens', rate.tokens],
  ] as const) {
    if (!state) continue;
    headers.push(`x-ratelimit-limit-${name}`, String(state.limit));
    headers.push(`x-ratelimit-remaining-${name}`, String(state.remaining));
    headers.push(`x-ratelimit-reset-${name}`, `${String(state.resetMs / 1_000)}s`);
  }
  return headers;
}

/** The exact cost of the call in major units of its currency. */
export function costHeaders(picos: Picos, currency: Currency): string[] {
  return ['x-tallystick-cost', formatPicos(picos), 'x-tallystick-currency', currency];
}
