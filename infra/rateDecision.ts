import type { RateDecision, RateState } from '../services/relay/ports.ts';

export const RATE_WINDOW_SECONDS = 60;
export const RATE_WINDOW_MS = RATE_WINDOW_SECONDS * 1_000;

/** The running minute of one counter of a key, as it was before this call. */
export interface RateWindow {
  readonly limit: number;
  readonly used: number;
  readonly resetMs: number;
  readonly fits: boolean;
}

export const UNLIMITED: RateDecision = { allowed: true, retryAfterMs: 0, requests: null, tokens: null };

/** Both or neither: a call is allowed when it fits into every window there is, and only then it counts. */
export function decisionOf(requests: RateWindow | null, tokens: RateWindow | null, asked: number): RateDecision {
  const requestsWait = requests?.fits === false ? requests.resetMs : 0;
  const tokensWait = tokens?.fits === false ? tokens.resetMs : 0;
  const allowed = requests?.fits !== false && tokens?.fits !== false;
  return {
    allowed,
    retryAfterMs: Math.max(requestsWait, tokensWait),
    requests: requests && stateOf(requests, allowed ? 1 : 0),
    tokens: tokens && stateOf(tokens, allowed ? asked : 0),
  };
}

function stateOf({ limit, used, resetMs }: RateWindow, taken: number): RateState {
  return { limit, remaining: Math.max(0, limit - used - taken), resetMs };
}
