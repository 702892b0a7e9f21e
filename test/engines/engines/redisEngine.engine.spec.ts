import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { answers, type RedisEngine } from '../../../infra/engines/redis.ts';
import { describeWith, ownRedis, type Owned } from '../../support/engines.ts';

describeWith('redis', 'A Redis of one’s own', (shared) => {
  let redis: Owned<RedisEngine>;
  beforeAll(async () => {
    redis = await ownRedis();
  });
  afterAll(() => redis.dispose());

  it('is not the one that all suites share', async () => {
    expect(redis.url).not.toBe(shared);
    expect(await answers(shared)).toBe(true);
  });

  it('has what it confirmed again after it was killed, on the same port', async () => {
    const { url, pid } = redis;
    const client = new Redis(url);
    client.on('error', () => undefined);
    // The confirmation covers the disk.
    await client.config('SET', 'appendfsync', 'always');
    await client.set('kept', 'yes');
    await redis.kill();
    expect(await answers(url)).toBe(false);
    await redis.restart();
    expect([redis.url, redis.pid === pid]).toEqual([url, false]);
    expect(await client.get('kept')).toBe('yes');
    client.disconnect();
  });

  it('answers nothing while it is suspended, and everything afterwards', async () => {
    await redis.suspend();
    expect(await answers(redis.url)).toBe(false);
    await redis.resume();
    expect(await answers(redis.url)).toBe(true);
  });
});
