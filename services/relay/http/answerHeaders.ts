import { formatPicos, type Currency, type Picos } from '../../../events/money.ts';
import type { Dialect } from '../../http/route.ts';
import { toInstant } from '../../runtime.ts';
import type { RateDecision } from '../ports.ts';

/** What every answer of a call carries, as a flat list: its id, and how its key stands with its rate limits. */
export function answerHeaders(dialect: Dialect, requestId: string, rate: RateDecision, now: number): string[] {
  const headers = ['x-request-id', requestId];
  if (dialect === 'claude') return [...headers, 'request-id', requestId, ...claudeRateHeaders(rate, now)];
  return dialect === 'gemini' ? headers : [...headers, ...rateHeaders(rate)];
}

/** OpenAI's rate-limit headers for the limits that the key has; reset as a duration such as `1.5s`. */
export function rateHeaders(rate: RateDecision): string[] {
  return limited(rate).flatMap(([name, state]) => [
    ...[`x-ratelimit-limit-${name}`, String(state.limit)],
    ...[`x-ratelimit-remaining-${name}`, String(state.remaining)],
    ...[`x-ratelimit-reset-${name}`, `${String(state.resetMs / 1_000)}s`],
  ]);
}

/** Anthropic's; reset as an instant (RFC 3339). */
function claudeRateHeaders(rate: RateDecision, now: number): string[] {
  return limited(rate).flatMap(([name, state]) => [
    ...[`anthropic-ratelimit-${name}-limit`, String(state.limit)],
    ...[`anthropic-ratelimit-${name}-remaining`, String(state.remaining)],
    ...[`anthropic-ratelimit-${name}-reset`, toInstant(now + state.resetMs)],
  ]);
}

function limited(rate: RateDecision) {
  return (
    [
      ['requests', rate.requests],
      ['tokens', rate.tokens],
    ] as const
  ).flatMap(([name, state]) => (state ? [[name, state] as const] : []));
}

/** The exact cost of the call in major units of its currency. */
export function costHeaders(picos: Picos, currency: Currency): string[] {
  return ['x-tallystick-cost', formatPicos(picos), 'x-tallystick-currency', currency];
}
