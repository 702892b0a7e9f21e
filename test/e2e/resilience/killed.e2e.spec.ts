import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { embeddedUrl } from '../../../infra/postgres/embedded/files.ts';
import { Books } from '../../support/books.ts';
import { killEmbeddedPostgres } from '../../support/controlledPostgres.ts';
import { Developer } from '../../support/developer.ts';
import { RelayCall, type Seen } from '../../support/relayCall.ts';
import { SeededRandom, testSeed } from '../../support/seededRandom.ts';
import { freshDirectory, startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';

const KILLS = 50;
const CALLERS = 6;
/** Short, so that what the dead have left is settled soon. */
const LEASE_MS = 3_000;
const TARGETS = ['service', 'postgres', 'both'] as const;

const BODIES = [
  { stream: true, stream_options: { include_usage: true }, content: 'Hello. [[sim chunks=12 chunk_delay_ms=4]]' },
  { stream: true, stream_options: { include_usage: true }, content: 'Hello once more.' },
  { content: 'Hello. [[sim latency_ms=30 reasoning=7 cached=11]]' },
  { content: 'Hello in one piece.' },
  { content: '[[sim status=500]]' },
].map(({ content, ...rest }) => ({
  model: 'tallystick-sim',
  max_tokens: 64,
  messages: [{ role: 'user', content }],
  ...rest,
}));

/** Clients that call without end, whatever happens, and write down what they saw. */
class Load {
  readonly journal: Seen[] = [];
  readonly #caller: { readonly baseUrl: string; readonly key: string };
  readonly #random: SeededRandom;
  readonly #running: Promise<unknown>;
  readonly #agent = new Agent({ keepAlive: true });
  #stopped = false;
  #completed: () => void = () => undefined;

  constructor(caller: { readonly baseUrl: string; readonly key: string }, random: SeededRandom) {
    this.#caller = caller;
    this.#random = random;
    this.#running = Promise.all(Array.from({ length: CALLERS }, () => this.#call()));
  }

  /** Resolves when the next call has come to its end as it should. */
  completed(): Promise<void> {
    return new Promise((resolve) => (this.#completed = resolve));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#agent.destroy();
  }

  async #call(): Promise<void> {
    while (!this.#stopped) {
      const body = BODIES[this.#random.between(0, BODIES.length - 1)] ?? {};
      const seen = await new RelayCall({ ...this.#caller, agent: this.#agent }, body).seen;
      this.journal.push(seen);
      if (seen.status === 200 && seen.complete) this.#completed();
      else if (seen.status === null || seen.status === 503) await pause(20);
    }
  }
}

/** The last kill may have been so recent that it is only just starting again. */
async function runningPostgresKilled(dataDir: string): Promise<void> {
  await vi.waitFor(async () => expect(await killEmbeddedPostgres(dataDir)).toBe(true), {
    timeout: 20_000,
    interval: 20,
  });
}

describe('killed at any moment', () => {
  const seed = testSeed();
  let service: ServiceProcess | null = null;
  afterAll(() => service?.dispose());

  it(`keeps the books exact over ${String(KILLS)} kills of service and Postgres under load (seed ${String(seed)})`, async () => {
    const random = new SeededRandom(seed);
    const settings = {
      DATA_DIR: await freshDirectory(),
      LOG_LEVEL: 'fatal',
      OWNER_LEASE_MS: String(LEASE_MS),
      REAPER_INTERVAL_MS: '200',
      DEFAULT_CONCURRENCY: '100000',
      DEFAULT_TOKENS_PER_MONTH: '1000000000',
      DEFAULT_REQUESTS_PER_MINUTE: '1000000',
    };
    service = await startServiceProcess(settings);
    const { baseUrl, firstRun } = service;
    const port = new URL(baseUrl).port;
    const load = new Load({ baseUrl, key: firstRun.testKey }, random);

    for (let kill = 0; kill < KILLS; kill += 1) {
      await load.completed();
      await pause(random.between(0, 300));
      const target = TARGETS[kill % TARGETS.length];
      if (target === 'postgres') await runningPostgresKilled(settings.DATA_DIR);
      else {
        const both = target === 'both' ? killEmbeddedPostgres(settings.DATA_DIR) : null;
        await service.stop('SIGKILL');
        await both;
        service = await startServiceProcess({ ...settings, PORT: port });
      }
    }
    await load.completed();
    await load.stop();

    const books = new Books(await embeddedUrl(settings.DATA_DIR));
    try {
      await books.nothingHeld(30_000);
      const recorded = await books.eachSettledOnce();
      const complete = load.journal.filter(({ complete, requestId }) => complete && requestId !== null);
      const wrong = complete.flatMap(({ status, requestId, picos, body }) => {
        const call = recorded.get(requestId ?? '');
        // Whoever was refused may have left no trace, but must not be charged.
        const charged = call?.picos ?? (status === 200 ? null : 0n);
        return charged === (picos ?? 0n) ? [] : [{ status, requestId, picos, call, body }];
      });
      process.stderr.write(
        JSON.stringify({
          calls: load.journal.length,
          complete: complete.length,
          recorded: recorded.size,
          unknown: [...recorded.values()].filter((c) => c.source === 'unknown').length,
          aborted: [...recorded.values()].filter((c) => c.ending === 'RequestAborted').length,
        }),
      );
      expect(wrong).toEqual([]);
      expect(complete.filter(({ status }) => status === 200).length).toBeGreaterThan(KILLS);
      expect([...recorded.values()].filter(({ source }) => source === 'unknown').length).toBeGreaterThan(0);
      const { accounts } = await Developer.signIn(baseUrl, firstRun.email, firstRun.password);
      expect(await books.invoiced(accounts.test)).toHaveLength(1);
      await books.inOrder();
    } finally {
      await books.close();
    }
  });
});
