import Table from 'cli-table3';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../infra/postgres/embedded/embeddedPostgres.ts';
import { Child } from './child.ts';
import { distributed } from './distributed.ts';
import { runLoad, runPaced, type Target } from './load.ts';
import { translation } from './translation.ts';

/**
 * `npm run bench`: everything in one run, as ratios to a bare node:http + undici proxy measured next to it. The subject
 * has core 0 for itself; load generator, upstream and PostgreSQL share core 1. Slices of bare and relay alternate, so a
 * machine that changes speed changes both.
 */
const SUBJECT_CORE = 0;
const REST_CORE = 1;
const ROUNDS = Number(process.argv[2] ?? 8);
const SLICE_SECONDS = 1;
/** Until the compiler has seen enough of both. */
const WARM_UP_SLICES = 4;

interface Slice {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly busy: number;
  readonly p50: number;
  readonly p99: number;
}

const pinned = spawnSync('taskset', ['-cp', String(REST_CORE), String(process.pid)]).status === 0;
const directory = mkdtempSync(join(tmpdir(), 'tallystick-bench-'));
const quiet = { info: () => undefined, warn: () => undefined, error: console.error };
const postgres = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres'), log: quiet });
const children: Child[] = [];

try {
  await run();
} finally {
  for (const child of children) await child.stop();
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);

async function start<T>(script: string, args: readonly string[], core: number): Promise<{ child: Child; ready: T }> {
  const started = await Child.start<T>(script, args, core, pinned);
  children.push(started.child);
  return started;
}

async function run(): Promise<void> {
  const upstream = await start<{ port: number }>('./upstreamProcess.ts', [], REST_CORE);
  const upstreamUrl = `http://127.0.0.1:${String(upstream.ready.port)}`;
  const channels = join(directory, 'channels.json');
  writeFileSync(
    channels,
    JSON.stringify({
      channels: [
        { name: 'bench', baseUrl: `${upstreamUrl}/v1`, models: ['bench-model'], maxConnections: 512, maxQueued: 512 },
      ],
    }),
  );
  Object.assign(process.env, {
    DATABASE_URL: postgres.url,
    DATA_DIR: join(directory, 'relay'),
    CHANNELS_FILE: channels,
    HOLD_TIMEOUT_MS: '5000',
  });
  const bare = await start<{ port: number }>('./bareProcess.ts', [upstreamUrl], SUBJECT_CORE);
  const relay = await start<{ port: number; keys: string[] }>('./relayProcess.ts', [], SUBJECT_CORE);

  const target = (port: number, streamed: boolean): Target => ({
    port,
    path: '/v1/chat/completions',
    keys: relay.ready.keys,
    body: JSON.stringify({
      model: 'bench-model',
      ...(streamed ? { stream: true } : {}),
      max_tokens: 256,
      messages: [{ role: 'user', content: 'x'.repeat(330) }],
    }),
  });
  console.log(
    `Node ${process.version}, ${pinned ? 'pinned: subject on core 0, the rest on core 1' : 'NOT pinned (no taskset)'}`,
  );

  // Before the load, for what it leaves to the collector and to autovacuum is none of a quiet relay's business.
  await warmUp(bare.child, target(bare.ready.port, false), relay.child, target(relay.ready.port, false), 64);
  await lowLoad(target(upstream.ready.port, false), target(bare.ready.port, false), target(relay.ready.port, false));

  const table = new Table({
    head: [
      'calls',
      'connections',
      'bare /s',
      'relay /s',
      'ratio /s',
      'bare µs CPU',
      'relay µs CPU',
      'ratio CPU',
      'relay busy',
      'relay p99 ms',
    ],
  });
  for (const [label, streamed, connections] of [
    ['JSON, 1 KB', false, 64],
    ['JSON, 1 KB', false, 256],
    ['SSE, 100 chunks', true, 64],
  ] as const) {
    const pairs = await pairedSlices(
      bare.child,
      target(bare.ready.port, streamed),
      relay.child,
      target(relay.ready.port, streamed),
      connections,
    );
    const middle = (read: (pair: readonly [Slice, Slice]) => number) => median(pairs.map(read));
    table.push([
      label,
      connections,
      Math.round(middle(([of]) => of.perSecond)),
      Math.round(middle(([, of]) => of.perSecond)),
      percentRange(pairs.map(([one, other]) => other.perSecond / one.perSecond)),
      middle(([of]) => of.cpuMicros).toFixed(1),
      middle(([, of]) => of.cpuMicros).toFixed(1),
      percentRange(pairs.map(([one, other]) => one.cpuMicros / other.cpuMicros)),
      `${String(Math.round(middle(([, of]) => of.busy) * 100))} %`,
      middle(([, of]) => of.p99).toFixed(1),
    ]);
  }
  console.log(table.toString());

  await checkBooks(relay.child, upstreamUrl);
  await translation();
  await distributed(relay.child, target(relay.ready.port, false));
  await appends(relay.child);
  await replay(relay.child);
}

type Pair = readonly [bare: Child, bareTarget: Target, relay: Child, relayTarget: Target, connections: number];

async function warmUp(...[bare, bareTarget, relay, relayTarget, connections]: Pair): Promise<void> {
  for (let second = 0; second < WARM_UP_SLICES; second += 1) {
    await slice(bare, bareTarget, connections);
    await slice(relay, relayTarget, connections);
  }
}

async function pairedSlices(...subjects: Pair): Promise<(readonly [Slice, Slice])[]> {
  const [bare, bareTarget, relay, relayTarget, connections] = subjects;
  await warmUp(...subjects);
  const pairs: (readonly [Slice, Slice])[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    pairs.push([await slice(bare, bareTarget, connections), await slice(relay, relayTarget, connections)]);
  }
  return pairs;
}

async function slice(subject: Child, target: Target, connections: number): Promise<Slice> {
  const before = await subject.cpuMs();
  const result = await runLoad(target, connections, SLICE_SECONDS);
  const cpuMs = (await subject.cpuMs()) - before;
  if (result.notOk > 0) throw new Error(`${String(result.notOk)} calls were not answered with 200: the slice is void`);
  return {
    perSecond: result.completed / result.seconds,
    cpuMicros: (cpuMs * 1_000) / result.completed,
    busy: cpuMs / 1_000 / result.seconds,
    p50: quantile(result.latencies, 0.5),
    p99: quantile(result.latencies, 0.99),
  };
}

/** Latency that each adds to a call that goes to the upstream directly, one call at a time, 10 per second each. */
async function lowLoad(...targets: readonly Target[]): Promise<void> {
  const [direct = [], bare = [], relay = []] = await runPaced(targets, 10, 300);
  const added = (latencies: readonly number[], share: number) =>
    (quantile(latencies, share) - quantile(direct, share)).toFixed(2);
  const table = new Table({ head: ['at 10 calls/s', 'added p50 ms', 'added p99 ms'] });
  table.push(['bare', added(bare, 0.5), added(bare, 0.99)], ['relay', added(relay, 0.5), added(relay, 0.99)]);
  console.log(table.toString());
}

/** Every answered call must stand in the log with its three events, or the rates above mean nothing. */
async function checkBooks(relay: Child, upstreamUrl: string): Promise<void> {
  const { events, holds } = await relay.ask<{ events: number; holds: number }>('counts');
  const completed = Number(await (await fetch(`${upstreamUrl}/completed`)).text());
  console.log(
    `log: ${String(events)} events of ${String(events / 3)} calls, ${String(holds)} holds to settle; upstream answered ${String(completed)} in all`,
  );
  if (events % 3 !== 0 || events / 3 !== holds) throw new Error('calls and events do not match');
}

async function appends(relay: Child): Promise<void> {
  const table = new Table({ head: ['append callers', 'appends/s', 'p50 ms', 'p99 ms'] });
  for (const callers of [1, 64, 256]) {
    const { perSecond, p50, p99 } = await relay.ask<{ perSecond: number; p50: number; p99: number }>({
      append: callers,
    });
    table.push([callers, Math.round(perSecond), p50.toFixed(2), p99.toFixed(2)]);
  }
  console.log(table.toString());
}

async function replay(relay: Child): Promise<void> {
  const table = new Table({ head: ['projection', 'log events', 'events/s'] });
  for (const { name, events, perSecond } of await relay.ask<{ name: string; events: number; perSecond: number }[]>(
    'replay',
  )) {
    table.push([name, events, Math.round(perSecond)]);
  }
  console.log(table.toString());
  const { holds } = await relay.ask<{ holds: number }>('counts');
  if (holds !== 0) throw new Error(`${String(holds)} holds were not settled`);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((left, right) => left - right),
    0.5,
  );
}

function percentRange(ratios: readonly number[]): string {
  const percent = (ratio: number) => String(Math.round(ratio * 100));
  return `${percent(median(ratios))} % (${percent(Math.min(...ratios))}–${percent(Math.max(...ratios))})`;
}
