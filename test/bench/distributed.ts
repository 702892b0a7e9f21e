import Table from 'cli-table3';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineMissing } from '../../infra/engines/engineMissing.ts';
import { startKafka } from '../../infra/engines/kafka.ts';
import { startRedis } from '../../infra/engines/redis.ts';
import { MemoryRateLimiter } from '../../infra/memory/rateLimiter.ts';
import { closeRedis, connectRedis, redisReady } from '../../infra/redis/connection.ts';
import { RedisRateLimiter } from '../../infra/redis/rateLimiter.ts';
import { systemRuntime } from '../../infra/runtime.ts';
import type { RateLimiter } from '../../services/relay/ports.ts';
import type { Child } from './child.ts';
import type { Pace } from './distributedParts.ts';
import { runAtRate, type Target } from './load.ts';

const CALLS_PER_SECOND = 500;
const LAG_SECONDS = 15;
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Kafka and Redis beside the relay: what they carry and what they cost. An engine that is not there is said to be missing. */
export async function distributed(relay: Child, target: Target): Promise<void> {
  await withEngine(startKafka, async ({ brokers, version }) => {
    await relay.ask({ kafka: brokers });
    const published = await relay.ask<Pace>('publish');
    const projected = await relay.ask<Pace>('project');
    await relay.ask('follow');
    await runAtRate(target, CALLS_PER_SECOND, LAG_SECONDS);
    const lags = await relay.ask<readonly number[]>('lags');
    const table = new Table({ head: [`Kafka ${version}`, 'log events', 'figure'] });
    table.push(
      ['publisher', published.events, `${String(Math.round(published.perSecond))} events/s`],
      ['all seven projections from Kafka', projected.events, `${String(Math.round(projected.perSecond))} events/s`],
      [
        `from the store into the last read model, at ${String(CALLS_PER_SECOND)} calls/s`,
        '',
        `p50 ${milliseconds(lags, 0.5)}, p99 ${milliseconds(lags, 0.99)}`,
      ],
    );
    console.log(table.toString());
  });
  await withEngine(startRedis, async ({ url, version }) => {
    const redis = connectRedis(url, { name: 'bench', log: quiet });
    await redisReady(redis, 5_000);
    const runtime = systemRuntime(quiet);
    const table = new Table({ head: [`limits, Redis ${version}`, 'µs CPU a call', 'p50 µs', 'p99 µs'] });
    table.push(['in memory', ...(await limitCost(new MemoryRateLimiter()))]);
    table.push(['on Redis', ...(await limitCost(new RedisRateLimiter(redis, runtime)))]);
    console.log(table.toString());
    await closeRedis(redis);
  });
}

async function withEngine<E extends { stop(): Promise<void> }>(
  start: (options: { directory: string }) => Promise<E>,
  work: (engine: E) => Promise<void>,
): Promise<void> {
  try {
    const engine = await start({ directory: mkdtempSync(join(tmpdir(), 'tallystick-bench-engine-')) });
    await work(engine).finally(() => engine.stop());
  } catch (error) {
    if (!(error instanceof EngineMissing)) throw error;
    console.log(`left out: ${error.message}`);
  }
}

/** CPU of this process and latency of one decision, 64 at a time over 8 keys. */
async function limitCost(limiter: RateLimiter): Promise<readonly string[]> {
  const limits = { requestsPerMinute: 1_000_000_000, tokensPerMinute: 1_000_000_000 };
  const take = async (calls: number) => {
    const latencies: number[] = [];
    const lane = async (index: number) => {
      for (let call = 0; call < calls; call += 1) {
        const started = performance.now();
        await limiter.take(`key-${String(index % 8)}`, limits, 100);
        latencies.push((performance.now() - started) * 1_000);
      }
    };
    await Promise.all(Array.from({ length: 64 }, (_, index) => lane(index)));
    return latencies.sort((left, right) => left - right);
  };
  await take(200);
  const before = process.cpuUsage();
  const latencies = await take(500);
  const { user, system } = process.cpuUsage(before);
  return [
    ((user + system) / latencies.length).toFixed(1),
    quantile(latencies, 0.5).toFixed(0),
    quantile(latencies, 0.99).toFixed(0),
  ];
}

function milliseconds(sorted: readonly number[], share: number): string {
  return `${quantile(sorted, share).toFixed(0)} ms`;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
