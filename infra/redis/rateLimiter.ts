import type { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { RateDecision, RateLimiter } from '../../services/relay/ports.ts';
import type { Clock, Log } from '../../services/runtime.ts';
import { MemoryRateLimiter } from '../memory/rateLimiter.ts';
import { decisionOf, RATE_WINDOW_MS, RATE_WINDOW_SECONDS, UNLIMITED, type RateWindow } from '../rateDecision.ts';
import { defineTakeBoth } from './takeBoth.ts';

interface Limits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

/** After a call without an answer, how long Redis is left alone; short, for it may be we who were slow. */
const LEAVE_ALONE_MS = 250;
const NO_LIMIT = '';

/**
 * Requests and tokens per minute, counted together by all processes that share a Redis, in one round trip. The counters
 * are those of rate-limiter-flexible, which takes from one at a time; taking from both or from neither is `takeBoth`.
 * While Redis is away, or does not answer within the time of its connection, each process counts for itself, from zero:
 * a call is never refused for that. Never rejects.
 */
export class RedisRateLimiter implements RateLimiter {
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #requests: RateLimiterRedis;
  readonly #tokens: RateLimiterRedis;
  #insurance = new MemoryRateLimiter();
  #awayUntil: number | null = null;

  /** The connection is given a command of ours, and stays the caller's. */
  constructor(redis: Redis, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#redis = redis;
    this.#clock = clock;
    this.#log = log;
    this.#requests = counter(redis, 'requests');
    this.#tokens = counter(redis, 'tokens');
    defineTakeBoth(redis);
  }

  async take(keyId: string, limits: Limits, tokens: number): Promise<RateDecision> {
    if (limits.requestsPerMinute === null && limits.tokensPerMinute === null) return UNLIMITED;
    const wasAway = this.#awayUntil !== null;
    if (this.#awayUntil !== null) {
      const now = this.#clock.monotonic();
      if (now < this.#awayUntil) return this.#insurance.take(keyId, limits, tokens);
      // This one call asks whether Redis is back, and nobody else meanwhile.
      this.#awayUntil = now + LEAVE_ALONE_MS;
    }
    try {
      const decision = await this.#takeBoth(keyId, limits, tokens);
      // An answer to a call from before the outage says nothing.
      if (wasAway) this.#isBack();
      return decision;
    } catch (error) {
      this.#isAway(error);
      return this.#insurance.take(keyId, limits, tokens);
    }
  }

  async #takeBoth(keyId: string, limits: Limits, asked: number): Promise<RateDecision> {
    const { requestsPerMinute, tokensPerMinute } = limits;
    // Both keys of one caller live on one node of a cluster.
    const tag = `{${keyId}}`;
    const [requestsUsed, requestsEnd, tokensUsed, tokensEnd] = await this.#redis.tallystickTakeBoth(
      this.#requests.getKey(tag),
      this.#tokens.getKey(tag),
      RATE_WINDOW_MS,
      requestsPerMinute ?? NO_LIMIT,
      1,
      tokensPerMinute ?? NO_LIMIT,
      asked,
    );
    return decisionOf(
      windowOf(requestsPerMinute, requestsUsed, requestsEnd, 1),
      windowOf(tokensPerMinute, tokensUsed, tokensEnd, asked),
      asked,
    );
  }

  #isAway(error: unknown): void {
    if (this.#awayUntil === null)
      this.#log.warn({ error }, 'rate limits are counted by each process while Redis fails');
    this.#awayUntil = this.#clock.monotonic() + LEAVE_ALONE_MS;
  }

  #isBack(): void {
    this.#log.info({}, 'rate limits are counted in Redis again');
    this.#awayUntil = null;
    this.#insurance = new MemoryRateLimiter();
  }
}

/** Only its keys and its expiry matter: each caller has limits of its own. */
function counter(redis: Redis, name: string): RateLimiterRedis {
  return new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: `tallystick:${name}`,
    points: Number.MAX_SAFE_INTEGER,
    duration: RATE_WINDOW_SECONDS,
  });
}

function windowOf(limit: number | null, used: number, resetMs: number, asked: number): RateWindow | null {
  return limit === null ? null : { limit, used, resetMs, fits: used + asked <= limit };
}
