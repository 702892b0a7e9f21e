import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryRateLimiter } from '../../../infra/memory/rateLimiter.ts';
import { limits, rateLimiterContract } from '../../contract/rateLimiter.contract.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00.000Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

rateLimiterContract(() =>
  Promise.resolve({
    limiter: new MemoryRateLimiter(),
    elapse(ms) {
      vi.advanceTimersByTime(ms);
      return Promise.resolve();
    },
    near: (ms) => ms,
  }),
);

describe('rate limits in memory', () => {
  it('begin anew at the very millisecond', async () => {
    const limiter = new MemoryRateLimiter();
    await limiter.take('key_1', limits(1, null), 1);
    vi.advanceTimersByTime(59_999);
    expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: false, retryAfterMs: 1 });
    vi.advanceTimersByTime(1);
    expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: true });
  });

  it('leave nothing behind when the minute is over', async () => {
    const limiter = new MemoryRateLimiter();
    const before = vi.getTimerCount();
    for (let i = 0; i < 100; i += 1) await limiter.take(`key_${String(i)}`, limits(5, 500), 10);
    expect(vi.getTimerCount()).toBe(before + 200);
    vi.advanceTimersByTime(60_000);
    expect(vi.getTimerCount()).toBe(before);
  });
});
