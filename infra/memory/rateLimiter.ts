import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import type { RateDecision, RateLimiter, RateState } from '../../services/relay/ports.ts';

interface Limits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

const WINDOW_SECONDS = 60;
const WINDOW_MS = WINDOW_SECONDS * 1_000;

const UNLIMITED: RateDecision = { allowed: true, retryAfterMs: 0, requests: null, tokens: null };

/**
 * Requests and tokens per minute, counted in this process. A key's minute begins with its first call and what it has
 * counted is forgotten when it ends, so memory is bounded by the keys that called within a minute. Limits may change
 * from call to call.
 */
export class MemoryRateLimiter implements RateLimiter {
  readonly #requests = counter();
  readonly #tokens = counter();
  /** The last call of each key that is being decided: calls of one key are decided one after another. */
  readonly #turns = new Map<string, Promise<RateDecision>>();

  take(keyId: string, limits: Limits, tokens: number): Promise<RateDecision> {
    if (limits.requestsPerMinute === null && limits.tokensPerMinute === null) return Promise.resolve(UNLIMITED);
    const decide = () => this.#decide(keyId, limits, tokens);
    const turn = this.#turns.get(keyId)?.then(decide, decide) ?? decide();
    this.#turns.set(keyId, turn);
    const done = () => {
      if (this.#turns.get(keyId) === turn) this.#turns.delete(keyId);
    };
    return turn.finally(done);
  }

  async #decide(keyId: string, limits: Limits, tokens: number): Promise<RateDecision> {
    const [requests, tokensNow] = await Promise.all([
      windowOf(this.#requests, keyId, limits.requestsPerMinute, 1),
      windowOf(this.#tokens, keyId, limits.tokensPerMinute, tokens),
    ]);
    const refusing = [requests, tokensNow].filter((window) => window !== null).filter((window) => !window.fits);
    if (refusing.length > 0) {
      return {
        allowed: false,
        retryAfterMs: Math.max(...refusing.map((window) => window.resetMs)),
        requests: requests && stateOf(requests, 0),
        tokens: tokensNow && stateOf(tokensNow, 0),
      };
    }
    await Promise.all([requests && this.#requests.penalty(keyId, 1), tokensNow && this.#tokens.penalty(keyId, tokens)]);
    return {
      allowed: true,
      retryAfterMs: 0,
      requests: requests && stateOf(requests, 1),
      tokens: tokensNow && stateOf(tokensNow, tokens),
    };
  }
}

/** Only counts: each key has limits of its own, so the comparison is ours. */
function counter(): RateLimiterMemory {
  return new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: WINDOW_SECONDS });
}

interface Window {
  readonly limit: number;
  readonly used: number;
  readonly resetMs: number;
  readonly fits: boolean;
}

/** The running minute of a key; null without a limit. */
async function windowOf(
  counted: RateLimiterMemory,
  keyId: string,
  limit: number | null,
  asked: number,
): Promise<Window | null> {
  if (limit === null) return null;
  const running: RateLimiterRes | null = await counted.get(keyId);
  const current = running && running.msBeforeNext > 0 ? running : null;
  const used = current?.consumedPoints ?? 0;
  return { limit, used, resetMs: current?.msBeforeNext ?? WINDOW_MS, fits: used + asked <= limit };
}

function stateOf({ limit, used, resetMs }: Window, taken: number): RateState {
  return { limit, remaining: Math.max(0, limit - used - taken), resetMs };
}
