import { beforeEach, describe, expect, it } from 'vitest';
import type { RateLimiter } from '../../services/relay/ports.ts';

export interface LimiterUnderTest {
  readonly limiter: RateLimiter;
  /** Lets time pass for what was counted. */
  elapse(ms: number): Promise<void>;
  /** What a duration is compared with: itself, or something near it where the clock is real. */
  near(ms: number): unknown;
}

export const limits = (requestsPerMinute: number | null, tokensPerMinute: number | null) => ({
  requestsPerMinute,
  tokensPerMinute,
});

/** What every rate limiter does; `make` gives one that has counted nothing yet. */
export function rateLimiterContract(make: () => Promise<LimiterUnderTest>): void {
  describe('rate limits', () => {
    let limiter: RateLimiter;
    let subject: LimiterUnderTest;
    const elapse = (ms: number) => subject.elapse(ms);
    const near = (ms: number) => subject.near(ms);

    beforeEach(async () => {
      subject = await make();
      limiter = subject.limiter;
    });

    it('state what is left and when the minute ends', async () => {
      expect(await limiter.take('key_1', limits(3, 1_000), 400)).toEqual({
        allowed: true,
        retryAfterMs: 0,
        requests: { limit: 3, remaining: 2, resetMs: 60_000 },
        tokens: { limit: 1_000, remaining: 600, resetMs: 60_000 },
      });
      await elapse(10_500);
      expect(await limiter.take('key_1', limits(3, 1_000), 600)).toEqual({
        allowed: true,
        retryAfterMs: 0,
        requests: { limit: 3, remaining: 1, resetMs: near(49_500) },
        tokens: { limit: 1_000, remaining: 0, resetMs: near(49_500) },
      });
    });

    it('refuse without taking requests or tokens, and say when to come again', async () => {
      await limiter.take('key_1', limits(2, 1_000), 900);
      await elapse(20_000);
      const refusal = {
        allowed: false,
        retryAfterMs: near(40_000),
        requests: { limit: 2, remaining: 1, resetMs: near(40_000) },
        tokens: { limit: 1_000, remaining: 100, resetMs: near(40_000) },
      };
      for (let i = 0; i < 5; i += 1) expect(await limiter.take('key_1', limits(2, 1_000), 101)).toEqual(refusal);
      expect(await limiter.take('key_1', limits(2, 1_000), 100)).toEqual({
        allowed: true,
        retryAfterMs: 0,
        requests: { limit: 2, remaining: 0, resetMs: near(40_000) },
        tokens: { limit: 1_000, remaining: 0, resetMs: near(40_000) },
      });
      expect(await limiter.take('key_1', limits(2, 1_000), 0)).toMatchObject({ allowed: false });
    });

    it('refuse by requests alone without taking tokens', async () => {
      await limiter.take('key_1', limits(1, 1_000), 1);
      expect(await limiter.take('key_1', limits(1, 1_000), 500)).toMatchObject({
        allowed: false,
        requests: { remaining: 0 },
        tokens: { remaining: 999 },
      });
      expect(await limiter.take('key_1', limits(2, 1_000), 999)).toMatchObject({ allowed: true });
    });

    it('refuse by tokens alone without taking a request', async () => {
      expect(await limiter.take('key_1', limits(1, 1_000), 1_001)).toMatchObject({
        allowed: false,
        requests: { remaining: 1 },
        tokens: { remaining: 1_000 },
      });
      expect(await limiter.take('key_1', limits(1, 1_000), 1_000)).toMatchObject({ allowed: true });
    });

    it('are exact for calls that arrive at once, also behind a refused one', async () => {
      const asked = [60, 60, 30, 20, 10];
      const decisions = await Promise.all(asked.map((tokens) => limiter.take('key_1', limits(3, 100), tokens)));
      expect(decisions.map((decision) => decision.allowed)).toEqual([true, false, true, false, true]);
      const many = await Promise.all(Array.from({ length: 200 }, () => limiter.take('key_2', limits(7, null), 1)));
      expect(many.filter((decision) => decision.allowed)).toHaveLength(7);
    });

    it('begin anew when the minute of the key is over, for each counter by itself', async () => {
      await limiter.take('key_1', limits(1, null), 1);
      await elapse(30_000);
      await limiter.take('key_1', limits(null, 10), 10);
      await elapse(28_000);
      expect(await limiter.take('key_1', limits(1, 10), 1)).toMatchObject({
        allowed: false,
        retryAfterMs: near(32_000),
        requests: { resetMs: near(2_000) },
        tokens: { resetMs: near(32_000) },
      });
      await elapse(2_000);
      expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: true });
      expect(await limiter.take('key_1', limits(null, 10), 1)).toMatchObject({ allowed: false });
      await elapse(30_000);
      expect(await limiter.take('key_1', limits(null, 10), 10)).toMatchObject({ allowed: true });
    });

    it('are each key’s own, and may change from call to call', async () => {
      await limiter.take('key_1', limits(1, null), 1);
      expect(await limiter.take('key_2', limits(1, null), 1)).toMatchObject({ allowed: true });
      expect(await limiter.take('key_1', limits(2, null), 1)).toMatchObject({ allowed: true });
      expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({
        allowed: false,
        requests: { limit: 1, remaining: 0 },
      });
    });

    it('count what is limited, and only that', async () => {
      await limiter.take('key_1', limits(5, null), 1_000_000);
      expect(await limiter.take('key_1', limits(null, 1_000_000), 1_000_000)).toMatchObject({
        allowed: true,
        requests: null,
        tokens: { remaining: 0 },
      });
      expect(await limiter.take('key_1', limits(5, null), 1)).toMatchObject({
        requests: { remaining: 3 },
        tokens: null,
      });
    });

    it('may be missing, or 0, or as large as numbers go', async () => {
      expect(await limiter.take('key_1', limits(null, null), 1_000_000)).toEqual({
        allowed: true,
        retryAfterMs: 0,
        requests: null,
        tokens: null,
      });
      expect(await limiter.take('key_1', limits(0, null), 1)).toEqual({
        allowed: false,
        retryAfterMs: 60_000,
        requests: { limit: 0, remaining: 0, resetMs: 60_000 },
        tokens: null,
      });
      expect(await limiter.take('key_1', limits(null, 10), 11)).toMatchObject({ allowed: false, retryAfterMs: 60_000 });
      const most = Number.MAX_SAFE_INTEGER;
      expect(await limiter.take('key_2', limits(most, most), most - 1)).toMatchObject({
        allowed: true,
        tokens: { limit: most, remaining: 1 },
      });
      expect(await limiter.take('key_2', limits(most, most), 1)).toMatchObject({
        allowed: true,
        tokens: { remaining: 0 },
      });
      expect(await limiter.take('key_2', limits(most, most), 1)).toMatchObject({ allowed: false });
    });
  });
}
