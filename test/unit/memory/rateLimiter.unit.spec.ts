import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryRateLimiter } from '../../../infra/memory/rateLimiter.ts';

const limits = (requestsPerMinute: number | null, tokensPerMinute: number | null) => ({
  requestsPerMinute,
  tokensPerMinute,
});
let limiter: MemoryRateLimiter;

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00.000Z') });
  limiter = new MemoryRateLimiter();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('rate limits', () => {
  it('state what is left and when the minute ends', async () => {
    expect(await limiter.take('key_1', limits(3, 1_000), 400)).toEqual({
      allowed: true,
      retryAfterMs: 0,
      requests: { limit: 3, remaining: 2, resetMs: 60_000 },
      tokens: { limit: 1_000, remaining: 600, resetMs: 60_000 },
    });
    vi.advanceTimersByTime(10_500);
    expect(await limiter.take('key_1', limits(3, 1_000), 600)).toEqual({
      allowed: true,
      retryAfterMs: 0,
      requests: { limit: 3, remaining: 1, resetMs: 49_500 },
      tokens: { limit: 1_000, remaining: 0, resetMs: 49_500 },
    });
  });

  it('refuse without taking requests or tokens, and say when to come again', async () => {
    await limiter.take('key_1', limits(2, 1_000), 900);
    vi.advanceTimersByTime(20_000);
    const refusal = {
      allowed: false,
      retryAfterMs: 40_000,
      requests: { limit: 2, remaining: 1, resetMs: 40_000 },
      tokens: { limit: 1_000, remaining: 100, resetMs: 40_000 },
    };
    for (let i = 0; i < 5; i += 1) expect(await limiter.take('key_1', limits(2, 1_000), 101)).toEqual(refusal);
    expect(await limiter.take('key_1', limits(2, 1_000), 100)).toMatchObject({
      allowed: true,
      requests: { remaining: 0 },
      tokens: { remaining: 0 },
    });
    expect(await limiter.take('key_1', limits(2, 1_000), 0)).toMatchObject({ allowed: false });
  });

  it('refuse by requests alone without taking tokens', async () => {
    await limiter.take('key_1', limits(1, 1_000), 1);
    expect(await limiter.take('key_1', limits(1, 1_000), 500)).toMatchObject({
      allowed: false,
      tokens: { remaining: 999 },
    });
    expect(await limiter.take('key_1', limits(2, 1_000), 999)).toMatchObject({ allowed: true });
  });

  it('are exact for calls that arrive at once, also behind a refused one', async () => {
    const asked = [60, 60, 30, 20, 10];
    const decisions = await Promise.all(asked.map((tokens) => limiter.take('key_1', limits(null, 100), tokens)));
    expect(decisions.map((decision) => decision.allowed)).toEqual([true, false, true, false, true]);
    const many = await Promise.all(Array.from({ length: 200 }, () => limiter.take('key_2', limits(7, null), 1)));
    expect(many.filter((decision) => decision.allowed)).toHaveLength(7);
  });

  it('begin anew when the minute of the key is over', async () => {
    await limiter.take('key_1', limits(1, null), 1);
    vi.advanceTimersByTime(59_999);
    expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: false, retryAfterMs: 1 });
    vi.advanceTimersByTime(1);
    expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: true });
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

  it('may be missing, or 0', async () => {
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
  });

  it('leave nothing behind when the minute is over', async () => {
    const before = vi.getTimerCount();
    for (let i = 0; i < 100; i += 1) await limiter.take(`key_${String(i)}`, limits(5, 500), 10);
    expect(vi.getTimerCount()).toBe(before + 200);
    vi.advanceTimersByTime(60_000);
    expect(vi.getTimerCount()).toBe(before);
  });
});
