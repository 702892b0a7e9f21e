import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'vitest';
import type { Engine } from '../../infra/engines/engine.ts';
import { startKafka, type KafkaEngine } from '../../infra/engines/kafka.ts';
import { startRedis, type RedisEngine } from '../../infra/engines/redis.ts';

const ADDRESSES = { redis: 'TEST_REDIS_URL', kafka: 'TEST_KAFKA_BROKERS', python: 'TEST_PYTHON' } as const;

/**
 * A suite that needs an engine; `suite` gets the address of the one that all suites share, of a Python the path of its
 * program. Without that engine, which happens outside CI only, the suite is reported as one test that was left out, with the reason.
 */
export function describeWith(engine: keyof typeof ADDRESSES, title: string, suite: (address: string) => void): void {
  const address = process.env[ADDRESSES[engine]];
  describe(title, () => {
    if (address) suite(address);
    else it(`is left out: there is no ${engine} here`, (context) => context.skip(`${engine} is missing`));
  });
}

/** A Redis of the test's own, which it may freeze and kill. */
export function ownRedis(args: readonly string[] = []): Promise<Owned<RedisEngine>> {
  return owned((directory) => startRedis({ directory, args }));
}

/** A Kafka of the test's own, which it may freeze and kill; it takes some seconds to start. */
export function ownKafka(): Promise<Owned<KafkaEngine>> {
  return owned((directory) => startKafka({ directory }));
}

export type Owned<E extends Engine> = E & {
  /** Ends it, in whatever state it is, and removes its files. */
  dispose(): Promise<void>;
};

async function owned<E extends Engine>(start: (directory: string) => Promise<E>): Promise<Owned<E>> {
  const directory = await mkdtemp(path.join(tmpdir(), 'tallystick-engine-'));
  const engine = await start(directory);
  const dispose = async () => {
    await engine.kill();
    await rm(directory, { recursive: true, force: true });
  };
  return Object.assign(engine, { dispose });
}
