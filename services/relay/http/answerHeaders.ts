import { formatPicos, type Currency, type Picos } from '../../../events/money.ts';
import type { ApiError } from '../../http/errors.ts';
import { renderError } from '../../http/renderError.ts';
import type { RateDecision } from '../ports.ts';

/** An error of this route: its body as JSON text, and its headers as a flat list. */
export function openaiError(error: ApiError, requestId: string): { body: string; headers: string[] } {
  const { body, headers } = renderError(error, 'openai', requestId);
  return { body: JSON.stringify(body), headers: Object.entries(headers).flat() };
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
