import { formatPicos, type Currency, type Picos } from '../../../events/money.ts';
import type { Dialect } from '../../http/route.ts';
import { toInstant } from '../../runtime.ts';
import type { RateDecision, RateState } from '../ports.ts';

/** What every answer of a call carries, as a flat list: its id, and how its key stands with its rate limits. */
export function answerHeaders(dialect: Dialect, requestId: string, rate: RateDecision, now: number): string[] {
  const headers = ['x-request-id', requestId];
  if (dialect === 'claude') return [...headers, 'request-id', requestId, ...claudeRateHeaders(rate, now)];
  return dialect === 'gemini' ? headers : [...headers, ...rateHeaders(rate)];
}

/** OpenAI's rate-limit headers for the limits that the key has; reset as a duration such as `1.5s`. */
export function rateHeaders({ requests, tokens }: RateDecision): string[] {
  const headers: string[] = [];
  if (requests) addLimit(headers, 'requests', requests);
  if (tokens) addLimit(headers, 'tokens', tokens);
  return headers;
}

function addLimit(headers: string[], name: string, { limit, remaining, resetMs }: RateState): void {
  headers.push(`x-ratelimit-limit-${name}`, String(limit));
  headers.push(`x-ratelimit-remaining-${name}`, String(remaining));
  headers.push(`x-ratelimit-reset-${name}`, `${String(resetMs / 1_000)}s`);
}

/** Anthropic's; reset as an instant (RFC 3339). */
function claudeRateHeaders({ requests, tokens }: RateDecision, now: number): string[] {
  const headers: string[] = [];
  if (requests) addClaudeLimit(headers, 'requests', requests, now);
  if (tokens) addClaudeLimit(headers, 'tokens', tokens, now);
  return headers;
}

function addClaudeLimit(headers: string[], name: string, state: RateState, now: number): void {
  headers.push(`anthropic-ratelimit-${name}-limit`, String(state.limit));
  headers.push(`anthropic-ratelimit-${name}-remaining`, String(state.remaining));
  headers.push(`anthropic-ratelimit-${name}-reset`, toInstant(now + state.resetMs));
}

/** The exact cost of the call in major units of its currency. */
export function costHeaders(picos: Picos, currency: Currency): string[] {
  return ['x-tallystick-cost', formatPicos(picos), 'x-tallystick-currency', currency];
}
