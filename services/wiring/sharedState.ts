import type { EventStore } from '../../events/eventStore.ts';
import { announcedAppends } from '../../infra/announcedAppends.ts';
import { MemoryRateLimiter } from '../../infra/memory/rateLimiter.ts';
import { closeRedis, connectRedis } from '../../infra/redis/connection.ts';
import { assertNotEvicting, RedisUnavailable } from '../../infra/redis/evictionPolicy.ts';
import { KeyBroadcast } from '../../infra/redis/keyBroadcast.ts';
import { RedisRateLimiter } from '../../infra/redis/rateLimiter.ts';
import { KEY_INDEX_CATEGORIES } from '../keys/keyIndex.ts';
import type { RateLimiter } from '../relay/ports.ts';
import { Closing, type Core } from './core.ts';

/** Redis is asked on the way of every call, so it gets little time; after that each relay counts for itself. */
const LIMIT_TIMEOUT_MS = 100;

/** What relays share beside the database; none of it is needed for a right bill. */
export interface SharedState {
  readonly limiter: RateLimiter;
  /** The event store, which also tells the other relays when keys and accounts have changed. */
  readonly announcing: EventStore;
  close(): Promise<void>;
}

/** On Redis where there is one, otherwise in this process. Throws EvictingRedis. */
export async function openSharedState({ config, runtime, store }: Core): Promise<SharedState> {
  if (config.REDIS_URL === undefined) {
    return { limiter: new MemoryRateLimiter(), announcing: store, close: () => Promise.resolve() };
  }
  const { log } = runtime;
  const closing = new Closing();
  const redis = connectRedis(config.REDIS_URL, { name: 'relay', log, timeoutMs: LIMIT_TIMEOUT_MS });
  closing.add(() => closeRedis(redis));
  try {
    await assertNotEvicting(redis).catch((error: unknown) => {
      if (!(error instanceof RedisUnavailable)) throw error;
      log.warn({ error }, 'Redis is not there: limits are counted by each relay until it is');
    });
    const broadcast = new KeyBroadcast(redis, { log, onHeard: (position) => store.hinted(position) });
    closing.add(() => broadcast.close());
    return {
      limiter: new RedisRateLimiter(redis, { clock: runtime.clock, log }),
      announcing: announcedAppends(store, KEY_INDEX_CATEGORIES, (position) => broadcast.announce(position)),
      close: () => closing.run(),
    };
  } catch (error) {
    await closing.run();
    throw error;
  }
}
