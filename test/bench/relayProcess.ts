import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import type { Append } from '../../events/eventStore.ts';
import { NO_LIMITS } from '../../events/quota/limits.ts';
import { parseConfig } from '../../infra/config/config.ts';
import { MemoryRateLimiter } from '../../infra/memory/rateLimiter.ts';
import { createMetrics } from '../../infra/telemetry/metrics.ts';
import { DistributedParts } from './distributedParts.ts';
import { PROJECTIONS } from '../../projections/catalogue.ts';
import { rebuild } from '../../projections/rebuild.ts';
import { publishPriceBook } from '../../services/billing/pricebook/publishPriceBook.ts';
import { createApp } from '../../services/http/app.ts';
import { createHttpServer } from '../../services/http/server.ts';
import type { Log } from '../../services/runtime.ts';
import { openCore } from '../../services/wiring/core.ts';
import { openManagement } from '../../services/wiring/management.ts';
import { openReadModels } from '../../services/wiring/readModels.ts';
import { openRelay } from '../../services/wiring/relay.ts';

/**
 * The relay as it runs in a process of its own: keys, rate limits, holds and durable events, without the projector,
 * which has a process of its own wherever throughput matters. Projections run before, to know the keys, and after, to
 * be measured and to settle.
 */
const quiet = (fields: object, message: string) =>
  process.stderr.write(`relay: ${message} ${inspect((fields as { error?: unknown }).error)}\n`);
const log: Log = { info: () => undefined, warn: quiet, error: quiet };
const config = parseConfig({
  ...process.env,
  DEFAULT_TOKENS_PER_MONTH: '9007199254740991',
  DEFAULT_REQUESTS_PER_MINUTE: '1000000000',
  DEFAULT_CONCURRENCY: '100000',
});
const KEYS = 8;

const core = await openCore(config, log, () => ({ pid: process.pid, baseUrl: null }));
await publishPriceBook(
  core.store,
  {
    effectiveFrom: '2026-01-01T00:00:00.000Z',
    models: [
      {
        model: 'bench-model',
        currency: 'USD',
        perMillion: { uncachedInput: '2.50', outputText: '10.00' },
        maxOutputTokens: 4_096,
      },
    ],
  },
  core.runtime,
);
let readModels = await openReadModels(core, null);
const metrics = createMetrics();
const relay = await openRelay(core, new MemoryRateLimiter(), metrics, process.env);
const management = await openManagement(core, async (position) => {
  await Promise.all([readModels.caughtUp(position), relay.keyFollower.caughtUp(position)]);
});
const user = await management.accounts.register(
  { email: 'bench@tallystick.invalid', password: 'a long bench password', name: null },
  'bench',
);
const keys: string[] = [];
while (keys.length < KEYS) {
  const wish = { mode: 'live', name: 'bench', limits: NO_LIMITS, models: null, expiresAt: null } as const;
  keys.push((await management.keys.issue(user, wish, 'bench')).secret);
}
await readModels.close();

const app = createApp({
  routes: relay.routes,
  relayRoutes: relay.relayRoutes,
  authenticateUser: management.authenticateUser,
  isAdmin: management.isAdmin,
  authenticateKey: (headers) => relay.admission.authenticate(headers),
  runtime: core.runtime,
});
const server = createHttpServer(app, relay.relayRoutes, 20_000, core.runtime.ids);
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port, keys }));

/** Appends of one 400-byte event each, by so many callers at once. */
async function appendRate(callers: number, seconds: number): Promise<{ perSecond: number; p50: number; p99: number }> {
  const until = performance.now() + seconds * 1_000;
  const latencies: number[] = [];
  const started = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < until) {
        const sent = performance.now();
        await core.store.append(oneEvent());
        latencies.push(performance.now() - sent);
      }
    }),
  );
  const elapsed = (performance.now() - started) / 1_000;
  latencies.sort((left, right) => left - right);
  return { perSecond: latencies.length / elapsed, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
}

/** 400 bytes of a type that no projection knows. */
function oneEvent(): Append {
  const id = core.runtime.ids.uuid();
  const data = JSON.stringify({ eventId: id, accountId: 'bench', filler: 'x'.repeat(320) });
  return {
    stream: `benchappend-${id}`,
    expected: 'no_stream',
    events: [{ eventId: id, type: 'BenchAppended', version: 1, data }],
  };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Rebuilds every projection from zero, one after another. */
async function replayRates(): Promise<readonly { name: string; events: number; perSecond: number }[]> {
  readModels = await openReadModels(core, null);
  await readModels.runner.caughtUp(await core.store.head(), undefined, 600_000);
  await readModels.close();
  const rates = [];
  for (const projection of PROJECTIONS) {
    const started = performance.now();
    const result = await rebuild({ store: core.store, transactions: readModels.transactions, log }, projection, {
      swap: 'never',
      compare: false,
    });
    const events = Number(result.position);
    rates.push({ name: projection.name, events, perSecond: (events / (performance.now() - started)) * 1_000 });
  }
  return rates;
}

async function counts() {
  const { rows } = await core.pool.query<Record<string, string>>(
    `SELECT (SELECT count(*) FROM events WHERE stream LIKE 'request-%') AS events, (SELECT count(*) FROM holds) AS holds`,
  );
  return { events: Number(rows[0]?.['events']), holds: Number(rows[0]?.['holds']) };
}

type Message =
  'cpu' | 'replay' | 'counts' | 'publish' | 'project' | 'follow' | 'lags' | { append: number } | { kafka: string };
let parts: DistributedParts | null = null;

async function answerTo(message: Message): Promise<unknown> {
  if (message === 'cpu') return { cpu: process.cpuUsage() };
  if (message === 'replay') return replayRates();
  if (message === 'counts') return counts();
  if (typeof message === 'object' && 'append' in message) return appendRate(message.append, 3);
  if (typeof message === 'object') {
    parts = await DistributedParts.open(core, message.kafka);
    return {};
  }
  if (!parts) throw new Error('there is no Kafka yet');
  if (message === 'publish') return parts.publish();
  if (message === 'project') return parts.project();
  if (message === 'lags') return parts.lags().finally(() => parts?.close());
  await parts.follow();
  return {};
}

process.on('message', (message: Message) => void answerTo(message).then((answer) => process.send?.(answer as object)));
process.on('disconnect', () => process.exit());
