import type { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RedisEngine } from '../../../infra/engines/redis.ts';
import { closeRedis, connectRedis, redisReady } from '../../../infra/redis/connection.ts';
import { RedisRateLimiter } from '../../../infra/redis/rateLimiter.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { Log } from '../../../services/runtime.ts';
import { limits, rateLimiterContract } from '../../contract/rateLimiter.contract.ts';
import { describeWith, ownRedis, type Owned } from '../../support/engines.ts';
import { silentLog } from '../../support/log.ts';

const { clock } = systemRuntime(silentLog);
/** As the relay has it: longer, and a call does not wait for Redis. */
const TIMEOUT_MS = 50;

describeWith('redis', 'The rate limiter on Redis', () => {
  let server: Owned<RedisEngine>;
  const connections: Redis[] = [];

  beforeAll(async () => {
    server = await ownRedis();
  });
  afterEach(async () => {
    await Promise.all(connections.splice(0).map(closeRedis));
  });
  afterAll(() => server.dispose());

  async function connected(timeoutMs = 5_000): Promise<Redis> {
    const redis = connectRedis(server.url, { name: 'limits', log: silentLog, timeoutMs });
    connections.push(redis);
    expect(await redisReady(redis, 5_000)).toBe(true);
    return redis;
  }
  const limiterOn = (redis: Redis, log: Log = silentLog) => new RedisRateLimiter(redis, { clock, log });

  describe('keeps the contract, whose', () => {
    rateLimiterContract(async () => {
      const redis = await connected();
      await redis.flushall();
      return {
        limiter: limiterOn(redis),
        async elapse(ms) {
          for (const key of await redis.keys('*')) await redis.pexpire(key, (await redis.pttl(key)) - ms);
        },
        // Within 1.6 s, for the clock of Redis goes on.
        near: (ms): unknown => expect.closeTo(ms, -3.5),
      };
    });
  });

  describe('of two processes', () => {
    let here: RedisRateLimiter;
    let there: RedisRateLimiter;
    beforeEach(async () => {
      const redis = await connected();
      await redis.flushall();
      here = limiterOn(redis);
      there = limiterOn(await connected());
    });

    it('admits exactly what the limits allow, whoever is asked', async () => {
      const calls = Array.from({ length: 400 }, (_, i) =>
        (i % 2 === 0 ? here : there).take('key_1', limits(100, 777), 10),
      );
      const allowed = (await Promise.all(calls)).filter((decision) => decision.allowed);
      expect(allowed).toHaveLength(77);
      expect(await here.take('key_1', limits(100, 777), 7)).toMatchObject({
        allowed: true,
        requests: { remaining: 22 },
        tokens: { remaining: 0 },
      });
      expect(await there.take('key_1', limits(100, 777), 1)).toMatchObject({ allowed: false });
    });

    it('counts at the keys of rate-limiter-flexible, whose other operations hold for it', async () => {
      const [redis] = connections;
      const requests = new RateLimiterRedis({
        storeClient: redis,
        keyPrefix: 'tallystick:requests',
        points: 5,
        duration: 60,
      });
      await here.take('key_1', limits(5, null), 1);
      await there.take('key_1', limits(5, null), 1);
      expect(await requests.get('{key_1}')).toMatchObject({ consumedPoints: 2, remainingPoints: 3 });
      await requests.delete('{key_1}');
      expect(await here.take('key_1', limits(5, null), 1)).toMatchObject({
        requests: { remaining: 4, resetMs: 60_000 },
      });
    });
  });

  describe('when Redis fails', () => {
    const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    let redis: Redis;
    let limiter: RedisRateLimiter;
    beforeEach(async () => {
      vi.clearAllMocks();
      redis = await connected(TIMEOUT_MS);
      await redis.flushall();
      limiter = limiterOn(redis, log);
      await vi.waitFor(async () => expect(await takenFromRedis()).toBe(true));
      log.info.mockClear();
      log.warn.mockClear();
    });

    /** Whether a call is counted by Redis just now. */
    async function takenFromRedis(): Promise<boolean> {
      const before = await redis.dbsize();
      await limiter.take(`key_${String(performance.now())}`, limits(1, null), 1);
      return (await redis.dbsize()) > before;
    }
    async function longest(calls: number): Promise<number> {
      let longestMs = 0;
      for (let i = 0; i < calls; i += 1) {
        const since = performance.now();
        await limiter.take(`key_${String(i)}`, limits(1, 10), 1);
        longestMs = Math.max(longestMs, performance.now() - since);
      }
      return longestMs;
    }
    const back = async () => {
      await vi.waitFor(async () => expect(await takenFromRedis()).toBe(true), { timeout: 10_000, interval: 50 });
    };

    it('goes on in memory with the same limits when it is killed, says so once, and comes back', async () => {
      await limiter.take('key_1', limits(3, null), 1);
      await server.kill();
      const decisions = await Promise.all(Array.from({ length: 5 }, () => limiter.take('key_1', limits(3, null), 1)));
      // From zero: what Redis had counted is not known here.
      expect(decisions.map((decision) => decision.allowed)).toEqual([true, true, true, false, false]);
      expect(decisions[4]).toMatchObject({ requests: { limit: 3, remaining: 0 } });
      expect(await longest(100)).toBeLessThan(1_000);
      expect(log.warn).toHaveBeenCalledTimes(1);
      await server.restart();
      await back();
      expect(log.info).toHaveBeenCalledTimes(1);
    });

    it('lets no call wait long when it is suspended, and comes back', async () => {
      await server.suspend();
      const since = performance.now();
      expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: true });
      const waitedMs = performance.now() - since;
      expect(waitedMs).toBeGreaterThan(TIMEOUT_MS - 5);
      expect(waitedMs).toBeLessThan(TIMEOUT_MS * 10);
      expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: false });
      // Most calls do not ask Redis at all.
      const manySince = performance.now();
      for (let i = 0; i < 1_000; i += 1) await limiter.take(`key_${String(i)}`, limits(1, 10), 1);
      expect(performance.now() - manySince).toBeLessThan(1_000);
      expect(log.warn).toHaveBeenCalledTimes(1);
      await server.resume();
      await back();
    });

    it('begins anew when it is flushed, and when its scripts are forgotten', async () => {
      await limiter.take('key_1', limits(1, 10), 10);
      await redis.flushall();
      expect(await limiter.take('key_1', limits(1, 10), 10)).toMatchObject({ allowed: true });
      await redis.script('FLUSH');
      expect(await limiter.take('key_1', limits(1, 10), 10)).toMatchObject({ allowed: false });
      expect(log.warn).not.toHaveBeenCalled();
    });
  });

  it('starts without Redis', async () => {
    const redis = connectRedis('redis://127.0.0.1:1', { name: 'limits', log: silentLog, timeoutMs: TIMEOUT_MS });
    connections.push(redis);
    const limiter = limiterOn(redis);
    expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: true });
    expect(await limiter.take('key_1', limits(1, null), 1)).toMatchObject({ allowed: false });
  });
});
