import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Books } from '../../support/books.ts';
import { ControlledPostgres } from '../../support/controlledPostgres.ts';
import { Developer } from '../../support/developer.ts';
import { gauge } from '../../support/gauge.ts';
import { RelayCall, type Seen } from '../../support/relayCall.ts';
import { startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';

const AWAY_MS = 10_000;
/** `HOLD_TIMEOUT_MS` is 1 s, and a call may wait for one batch before its own. */
const REFUSED_WITHIN_MS = 2_500;
const ALIVE_WITHIN_MS = 500;
const RECOVERED_WITHIN_MS = 2_500;
const STREAMS = 10;
const SHORT = { content: 'Hello.' };

/** A stream of so many seconds, and what `max_tokens` allows is more than it has. */
const lasting = (seconds: number) => ({ content: `Hello. [[sim chunks=${String(seconds * 10)} chunk_delay_ms=100]]` });

function bodyOf({ content }: { readonly content: string }, streamed: boolean): object {
  return {
    model: 'tallystick-sim',
    messages: [{ role: 'user', content }],
    ...(streamed && { stream: true, stream_options: { include_usage: true } }),
  };
}

interface Timed {
  readonly seen: Seen;
  /** Milliseconds since the database went away. */
  readonly startedAt: number;
  readonly tookMs: number;
}

/** How the database goes away and comes back. */
interface Outage {
  begin(postgres: ControlledPostgres): Promise<void>;
  end(postgres: ControlledPostgres): Promise<void>;
}

const FROZEN: Outage = { begin: (postgres) => postgres.freeze(), end: (postgres) => postgres.thaw() };
const STOPPED: Outage = { begin: (postgres) => postgres.stop(), end: (postgres) => postgres.start() };

describe.concurrent('while the database is away under load', () => {
  it('for 10 s, standing still: streams finish, nothing is lost, new calls get 503 at once, and all goes on by itself', () =>
    outlived(FROZEN));

  it('for 10 s, stopped: streams finish, nothing is lost, new calls get 503 at once, and all goes on by itself', () =>
    outlived(STOPPED));
});

const SETTINGS = {
  LOG_LEVEL: 'fatal',
  DEFAULT_CONCURRENCY: '1000',
  DEFAULT_TOKENS_PER_MONTH: '1000000000',
  DEFAULT_REQUESTS_PER_MINUTE: '1000000',
};

async function outlived(outage: Outage): Promise<void> {
  const postgres = await ControlledPostgres.create();
  const service = await startServiceProcess({ ...SETTINGS, DATABASE_URL: postgres.url });
  const books = new Books(postgres.url);
  try {
    await watched(service, postgres, books, outage);
  } finally {
    await books.close();
    await service.dispose();
    await postgres.dispose();
  }
}

async function watched(
  service: ServiceProcess,
  postgres: ControlledPostgres,
  books: Books,
  outage: Outage,
): Promise<void> {
  const { baseUrl, firstRun } = service;
  const agent = new Agent({ keepAlive: true });
  const call = (prompt: { readonly content: string }, streamed: boolean) =>
    new RelayCall({ baseUrl, key: firstRun.testKey, agent }, bodyOf(prompt, streamed));

  // Streams that end before, in the middle, near the end and after the time without a database.
  const streams = [2, 5, 9, 13].flatMap((seconds) =>
    Array.from({ length: STREAMS }, () => call(lasting(seconds), true)),
  );
  await Promise.all(streams.map((stream) => stream.received(2)));

  const start = performance.now();
  let over = false;
  const shortCalls: Timed[] = [];
  const caller = async () => {
    while (!over) {
      const startedAt = performance.now() - start;
      const seen = await call(SHORT, false).seen;
      shortCalls.push({ seen, startedAt, tookMs: performance.now() - start - startedAt });
      await pause(25);
    }
  };
  const probes: number[] = [];
  const prober = async () => {
    while (!over) {
      const since = performance.now();
      expect((await fetch(`${baseUrl}/livez`)).status).toBe(200);
      probes.push(performance.now() - since);
      await pause(50);
    }
  };
  const load = Promise.all([prober(), ...Array.from({ length: 5 }, caller)]);
  await outage.begin(postgres);
  await pause(AWAY_MS - (performance.now() - start));
  const journaled = await gauge(baseUrl, 'journal_pending');
  await outage.end(postgres);
  const backAt = performance.now() - start;
  await pause(2 * RECOVERED_WITHIN_MS);
  over = true;
  await load;
  const seenStreams = await Promise.all(streams.map((stream) => stream.seen));

  expect(seenStreams.filter(({ complete, picos }) => !complete || picos === null)).toEqual([]);
  expect(Math.max(...probes)).toBeLessThan(ALIVE_WITHIN_MS);
  expect(shortCalls.filter(({ seen }) => !seen.complete)).toEqual([]);
  const refused = shortCalls.filter(({ seen }) => seen.status !== 200);
  expect(refused.length).toBeGreaterThan(20);
  for (const { seen, startedAt, tookMs } of refused) {
    expect({ status: seen.status, code: seen.code, retryAfter: seen.headers['retry-after'] }).toEqual({
      status: 503,
      code: 'service_unavailable',
      retryAfter: '1',
    });
    expect(tookMs).toBeLessThan(REFUSED_WITHIN_MS);
    expect(startedAt).toBeLessThan(backAt + RECOVERED_WITHIN_MS);
  }
  const served = shortCalls.filter(({ seen }) => seen.status === 200);
  expect(served.filter(({ startedAt }) => startedAt > backAt).length).toBeGreaterThan(20);

  await books.nothingHeld(20_000);
  const recorded = await books.eachSettledOnce();
  const lost = [...seenStreams, ...served.map(({ seen }) => seen)].filter(
    ({ requestId, picos }) => recorded.get(requestId ?? '')?.picos !== picos,
  );
  expect(lost).toEqual([]);
  expect(journaled).toBeGreaterThanOrEqual(STREAMS);
  expect(await gauge(baseUrl, 'journal_pending')).toBe(0);
  expect(await gauge(baseUrl, 'journal_quarantined')).toBe(0);
  expect((await fetch(`${baseUrl}/readyz`)).status).toBe(200);
  const { accounts } = await Developer.signIn(baseUrl, firstRun.email, firstRun.password);
  expect(await books.invoiced(accounts.test)).toHaveLength(1);
  await books.inOrder();
  agent.destroy();
}
