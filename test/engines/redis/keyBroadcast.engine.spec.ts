import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { announcedAppends } from '../../../infra/announcedAppends.ts';
import type { RedisEngine } from '../../../infra/engines/redis.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { closeRedis, connectRedis, redisReady } from '../../../infra/redis/connection.ts';
import { KeyBroadcast } from '../../../infra/redis/keyBroadcast.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { followEvents } from '../../../services/keys/follow.ts';
import { KEY_INDEX_CATEGORIES, KeyIndex } from '../../../services/keys/keyIndex.ts';
import { describeWith, ownRedis, type Owned } from '../../support/engines.ts';
import { accountOpened, apiKeyChanged, apiKeyIssued, appendAll, exampleHash, KEY } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

const HASH = exampleHash(KEY);
const NOW = Date.parse('2026-11-20T10:00:00.000Z');
/** So rarely that only a broadcast can be faster than the tests wait. */
const RARELY_MS = 30_000;
const SOON = { timeout: 10_000, interval: 10 };

describeWith('redis', 'The broadcast of changed keys', () => {
  let server: Owned<RedisEngine>;
  let here: KeyBroadcast;
  let there: KeyBroadcast;
  let heard: bigint[];
  let onHeard: (position: bigint) => void;
  let redis: Redis;
  let otherRedis: Redis;

  beforeAll(async () => {
    server = await ownRedis();
  });
  afterAll(() => server.dispose());

  beforeEach(async () => {
    heard = [];
    onHeard = (position) => heard.push(position);
    [redis, otherRedis] = [await connected(), await connected()];
    here = new KeyBroadcast(redis, { log: silentLog, onHeard: () => undefined });
    there = new KeyBroadcast(otherRedis, { log: silentLog, onHeard: (position) => onHeard(position) });
    await listening(2);
  });
  afterEach(async () => {
    await Promise.all([here.close(), there.close()]);
    await Promise.all([closeRedis(redis), closeRedis(otherRedis)]);
  });

  async function connected(): Promise<Redis> {
    const connection = connectRedis(server.url, { name: 'test', log: silentLog });
    expect(await redisReady(connection, 5_000)).toBe(true);
    return connection;
  }
  const listening = (processes: number) =>
    vi.waitFor(async () => {
      expect(await redis.pubsub('NUMSUB', 'tallystick:keys')).toEqual(['tallystick:keys', processes]);
    }, SOON);

  it('reaches every process, and says a position only', async () => {
    here.announce(7n);
    there.announce(9_007_199_254_740_993n);
    await vi.waitFor(() => expect(heard).toEqual([7n, 9_007_199_254_740_993n]), SOON);
  });

  it('passes over what is no position', async () => {
    await redis.publish('tallystick:keys', 'key_1 sk-secret');
    await redis.publish('tallystick:keys', '-1');
    here.announce(3n);
    await vi.waitFor(() => expect(heard).toEqual([3n]), SOON);
  });

  it('is heard again after Redis was killed, and fails without a word to the caller meanwhile', async () => {
    await server.kill();
    here.announce(1n);
    await server.restart();
    await vi.waitFor(async () => expect(await redis.ping()).toBe('PONG'), SOON);
    await listening(2);
    here.announce(2n);
    await vi.waitFor(() => expect(heard).toEqual([2n]), SOON);
  });

  it('denies a key that was revoked on one relay within a second on another that seldom polls', async () => {
    const database: TestDatabase = await testDatabase();
    const options = { connectionString: database.url, log: silentLog, pollMs: RARELY_MS };
    const [store, otherStore] = await Promise.all([PostgresEventStore.open(options), PostgresEventStore.open(options)]);
    onHeard = (position) => otherStore.hinted(position);
    const announcing = announcedAppends(store, KEY_INDEX_CATEGORIES, (position) => here.announce(position));
    await appendAll(store, [accountOpened(), apiKeyIssued()]);
    const following = new AbortController();
    const index = new KeyIndex();
    const { stopped } = await followEvents(otherStore, KEY_INDEX_CATEGORIES, (event) => index.apply(event), {
      signal: following.signal,
      runtime: systemRuntime(silentLog),
    });
    expect(index.find(HASH, NOW)?.status).toBe('active');
    const revoked = appendAll(announcing, [apiKeyChanged('ApiKeyRevoked')]);
    await vi.waitFor(() => expect(index.find(HASH, NOW)).toBeNull(), { timeout: 1_000, interval: 5 });
    await revoked;
    following.abort();
    await stopped;
    await Promise.all([store.close(), otherStore.close()]);
    await database.close();
  });
});
