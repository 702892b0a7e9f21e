import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Engine } from '../../infra/engines/engine.ts';
import { EngineMissing, type EngineName } from '../../infra/engines/engineMissing.ts';
import { startKafka } from '../../infra/engines/kafka.ts';
import { startRedis } from '../../infra/engines/redis.ts';

/**
 * One Redis and one Kafka for all engine suites, at TEST_REDIS_URL and TEST_KAFKA_BROKERS; one that is set already is
 * used. In CI a missing engine fails the run. Elsewhere it is announced, and its suites say that they are left out.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), 'tallystick-engines-'));
  const started = await Promise.allSettled([
    provide('redis', 'TEST_REDIS_URL', async () => {
      const redis = await startRedis({ directory: path.join(directory, 'redis') });
      return { engine: redis, address: redis.url };
    }),
    provide('kafka', 'TEST_KAFKA_BROKERS', async () => {
      const kafka = await startKafka({ directory: path.join(directory, 'kafka') });
      return { engine: kafka, address: kafka.brokers };
    }),
  ]);
  const teardown = async () => {
    // Nothing will be read from them again.
    for (const result of started) if (result.status === 'fulfilled') await result.value?.kill();
    await rm(directory, { recursive: true, force: true });
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (!failed) return teardown;
  await teardown();
  throw failed.reason;
}

async function provide(
  name: EngineName,
  variable: string,
  start: () => Promise<{ readonly engine: Engine; readonly address: string }>,
): Promise<Engine | null> {
  if (process.env[variable]) return null;
  const since = performance.now();
  try {
    const { engine, address } = await start();
    process.env[variable] = address;
    process.stdout.write(
      `${name} ${engine.version} at ${address}, ${String(Math.round(performance.now() - since))} ms\n`,
    );
    return engine;
  } catch (error) {
    if (process.env['CI'] === 'true' || !(error instanceof EngineMissing)) throw error;
    process.stderr.write(`${error.message}; its suites are left out\n`);
    return null;
  }
}
