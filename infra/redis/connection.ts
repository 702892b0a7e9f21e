import { Redis } from 'ioredis';
import type { Log } from '../../services/runtime.ts';
import { untilAborted } from '../abortable.ts';

const CONNECT_MS = 2_000;
/** A server that owes an answer for this long is given up, and a new connection is tried. */
const SILENT_MS = 5_000;
const LONGEST_PAUSE_MS = 1_000;
const GOODBYE_MS = 1_000;

export interface RedisOptions {
  /** What the connection is for, as the server lists it: no space in it. */
  readonly name: string;
  readonly log: Log;
  /** Bounds every command, milliseconds; 1 s by default. */
  readonly timeoutMs?: number;
}

/**
 * A connection that comes back by itself. While Redis is away every command fails at once instead of waiting in a queue,
 * and one that was under way fails too: whether it happened is unknown. An outage is logged once.
 */
export function connectRedis(url: string, options: RedisOptions): Redis {
  const redis = new Redis(url, {
    connectionName: `tallystick-${options.name}`,
    connectTimeout: CONNECT_MS,
    commandTimeout: options.timeoutMs ?? 1_000,
    socketTimeout: SILENT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (tries) => Math.min(tries * 50, LONGEST_PAUSE_MS),
  });
  logOutages(redis, options);
  return redis;
}

/** A connection beside another one, for subscriptions; they are asked for again after an outage. */
export function connectSubscriber(redis: Redis, options: RedisOptions): Redis {
  const subscriber = redis.duplicate({
    connectionName: `tallystick-${options.name}`,
    // Of this connection nothing is asked but to subscribe, which waits for Redis; and it may be silent for long.
    enableOfflineQueue: true,
    maxRetriesPerRequest: null,
    commandTimeout: undefined,
    socketTimeout: undefined,
  });
  logOutages(subscriber, options);
  return subscriber;
}

/** Resolves at the first connection, or with false after `withinMs`. */
export async function redisReady(redis: Redis, withinMs: number): Promise<boolean> {
  if (redis.status === 'ready') return true;
  const ready = Promise.withResolvers<true>();
  const onReady = () => ready.resolve(true);
  redis.once('ready', onReady);
  const came = await untilAborted(ready.promise, AbortSignal.timeout(withinMs));
  redis.off('ready', onReady);
  return came ?? false;
}

/** Says goodbye, but not to a server that does not answer. */
export async function closeRedis(redis: Redis): Promise<void> {
  const goodbye = redis.status === 'ready' ? redis.quit().catch(() => null) : Promise.resolve(null);
  await untilAborted(goodbye, AbortSignal.timeout(GOODBYE_MS));
  redis.disconnect();
}

function logOutages(redis: Redis, { name, log }: RedisOptions): void {
  let isAway = false;
  redis.on('error', (error: unknown) => {
    if (!isAway) log.warn({ error, connection: name }, 'Redis is away');
    isAway = true;
  });
  redis.on('ready', () => {
    if (isAway) log.info({ connection: name }, 'Redis answers again');
    isAway = false;
  });
}
