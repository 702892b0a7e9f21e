import type { Redis } from 'ioredis';
import { redisReady } from './connection.ts';

export const SAFE_POLICY = 'noeviction';
const READY_MS = 5_000;

/** This Redis throws entries away when its memory is full, so that jobs and counters would vanish without a word. */
export class EvictingRedis extends Error {
  override readonly name = 'EvictingRedis';
  readonly policy: string;

  constructor(policy: string) {
    super(`Redis has maxmemory-policy ${policy}, which lets it forget jobs; set it to ${SAFE_POLICY}`);
    this.policy = policy;
  }
}

/** Redis did not answer; nothing is known about it. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable';
}

/** Throws EvictingRedis, or RedisUnavailable when no answer comes within 5 s. */
export async function assertNotEvicting(redis: Redis): Promise<void> {
  if (!(await redisReady(redis, READY_MS))) throw new RedisUnavailable('Redis cannot be reached');
  const policy = await policyOf(redis);
  if (policy !== SAFE_POLICY) throw new EvictingRedis(policy);
}

/** From INFO, which hosted servers allow although they refuse CONFIG. */
async function policyOf(redis: Redis): Promise<string> {
  try {
    const policy = /^maxmemory_policy:(\S+)/m.exec(await redis.info('memory'))?.[1];
    return policy ?? 'unknown';
  } catch (cause) {
    throw new RedisUnavailable('Redis does not say what it does when its memory is full', { cause });
  }
}
