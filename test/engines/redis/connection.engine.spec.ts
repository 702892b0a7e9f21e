import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { RedisEngine } from '../../../infra/engines/redis.ts';
import { closeRedis, connectRedis, redisReady } from '../../../infra/redis/connection.ts';
import { assertNotEvicting, EvictingRedis, RedisUnavailable } from '../../../infra/redis/evictionPolicy.ts';
import { describeWith, ownRedis, type Owned } from '../../support/engines.ts';
import { silentLog } from '../../support/log.ts';

describeWith('redis', 'A connection to Redis', () => {
  let server: Owned<RedisEngine>;
  const connections: Redis[] = [];
  beforeAll(async () => {
    server = await ownRedis(['--maxmemory', '64mb']);
  });
  afterEach(async () => {
    await Promise.all(connections.splice(0).map(closeRedis));
  });
  afterAll(() => server.dispose());

  function connect(url = server.url, log = silentLog): Redis {
    const redis = connectRedis(url, { name: 'test', log, timeoutMs: 200 });
    connections.push(redis);
    return redis;
  }

  it('is accepted when Redis forgets nothing', async () => {
    await assertNotEvicting(connect());
  });

  it.each(['allkeys-lru', 'volatile-ttl', 'volatile-lru', 'allkeys-random'])(
    'is refused when Redis evicts by %s, which the error names',
    async (policy) => {
      const redis = connect();
      expect(await redisReady(redis, 5_000)).toBe(true);
      await redis.config('SET', 'maxmemory-policy', policy);
      const refusal = await assertNotEvicting(redis).catch((error: unknown) => error);
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
      expect(refusal).toBeInstanceOf(EvictingRedis);
      expect(refusal).toMatchObject({ policy, message: expect.stringContaining(policy) as unknown });
    },
  );

  it('is refused when nobody answers', async () => {
    expect(await redisReady(connect('redis://127.0.0.1:1'), 200)).toBe(false);
    const redis = connect();
    await redisReady(redis, 5_000);
    await server.suspend();
    const refusal = await assertNotEvicting(redis).catch((error: unknown) => error);
    await server.resume();
    expect(refusal).toBeInstanceOf(RedisUnavailable);
  });

  it('fails commands at once while Redis is away, tells of it once, and comes back by itself', async () => {
    const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const redis = connect(server.url, log);
    await redisReady(redis, 5_000);
    await server.kill();
    await vi.waitFor(() => expect(redis.status).not.toBe('ready'));
    const since = performance.now();
    for (let i = 0; i < 100; i += 1) await expect(redis.get('x')).rejects.toThrow();
    expect(performance.now() - since).toBeLessThan(500);
    await vi.waitFor(() => expect(log.warn).toHaveBeenCalledTimes(1));
    await server.restart();
    await vi.waitFor(async () => expect(await redis.get('x')).toBeNull(), { timeout: 5_000, interval: 20 });
    expect(log.warn).toHaveBeenCalledTimes(1);
    expect(log.info).toHaveBeenCalledTimes(1);
  });

  it('gives up a server that is silent for seconds, and a command long before', async () => {
    const redis = connect();
    await redisReady(redis, 5_000);
    await server.suspend();
    const since = performance.now();
    await expect(redis.get('x')).rejects.toThrow('timed out');
    expect(performance.now() - since).toBeLessThan(2_000);
    await vi.waitFor(() => expect(redis.status).not.toBe('ready'), { timeout: 10_000, interval: 50 });
    await server.resume();
    await vi.waitFor(async () => expect(await redis.get('x')).toBeNull(), { timeout: 10_000, interval: 50 });
  });

  it('closes in time, whether Redis answers or not', async () => {
    const redis = connect();
    await redisReady(redis, 5_000);
    await server.suspend();
    const since = performance.now();
    await closeRedis(redis);
    expect(performance.now() - since).toBeLessThan(3_000);
    await server.resume();
    await closeRedis(connect('redis://127.0.0.1:1'));
  });
});
