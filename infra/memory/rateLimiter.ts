import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import type { RateDecision, RateLimiter } from '../../services/relay/ports.ts';
import { Turns } from '../../services/turns.ts';
import { decisionOf, RATE_WINDOW_MS, RATE_WINDOW_SECONDS, UNLIMITED, type RateWindow } from '../rateDecision.ts';

interface Limits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

/**
 * Requests and tokens per minute, counted in this process. A key's minute begins with its first call and what it has
 * counted is forgotten when it ends, so memory is bounded by the keys that called within a minute. Limits may change
 * from call to call.
 */
export class MemoryRateLimiter implements RateLimiter {
  readonly #requests = counter();
  readonly #tokens = counter();
  /** Looking and counting are one step for calls of one key. */
  readonly #turns = new Turns();

  take(keyId: string, limits: Limits, tokens: number): Promise<RateDecision> {
    if (limits.requestsPerMinute === null && limits.tokensPerMinute === null) return Promise.resolve(UNLIMITED);
    return this.#turns.run(keyId, () => this.#decide(keyId, limits, tokens));
  }

  async #decide(keyId: string, limits: Limits, tokens: number): Promise<RateDecision> {
    const requests = await windowOf(this.#requests, keyId, limits.requestsPerMinute, 1);
    const tokensNow = await windowOf(this.#tokens, keyId, limits.tokensPerMinute, tokens);
    const decision = decisionOf(requests, tokensNow, tokens);
    if (decision.allowed) {
      // Counted before they return: the memory counter works within the call.
      if (requests) void this.#requests.penalty(keyId, 1);
      if (tokensNow) void this.#tokens.penalty(keyId, tokens);
    }
    return decision;
  }
}

/** Only counts: each key has limits of its own, so the comparison is ours. */
function counter(): RateLimiterMemory {
  return new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: RATE_WINDOW_SECONDS });
}

/** The running minute of a key; null without a limit, and then without waiting for anything. */
function windowOf(
  counted: RateLimiterMemory,
  keyId: string,
  limit: number | null,
  asked: number,
): Promise<RateWindow> | null {
  return limit === null ? null : runningWindow(counted, keyId, limit, asked);
}

async function runningWindow(
  counted: RateLimiterMemory,
  keyId: string,
  limit: number,
  asked: number,
): Promise<RateWindow> {
  const running: RateLimiterRes | null = await counted.get(keyId);
  const current = running && running.msBeforeNext > 0 ? running : null;
  const used = current?.consumedPoints ?? 0;
  return { limit, used, resetMs: current?.msBeforeNext ?? RATE_WINDOW_MS, fits: used + asked <= limit };
}
