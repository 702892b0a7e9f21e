import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { embeddedUrl } from '../../../infra/postgres/embedded/files.ts';
import { Books } from '../../support/books.ts';
import { killEmbeddedPostgres } from '../../support/controlledPostgres.ts';
import { Developer } from '../../support/developer.ts';
import { RelayCall, type Seen } from '../../support/relayCall.ts';
import { SeededRandom, testSeed } from '../../support/seededRandom.ts';
import { freshDirectory, startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';

/** Two installations side by side, so that one works while the other starts. */
const INSTALLATIONS = [1, 2];
const KILLS_EACH = 25;
const CALLERS = 5;
/** Short, so that what the dead have left is settled soon. */
const LEASE_MS = 3_000;
const TARGETS = ['service', 'postgres', 'both'] as const;

const SETTINGS = {
  LOG_LEVEL: 'fatal',
  OWNER_LEASE_MS: String(LEASE_MS),
  REAPER_INTERVAL_MS: '200',
  DEFAULT_CONCURRENCY: '100000',
  DEFAULT_TOKENS_PER_MONTH: '1000000000',
  DEFAULT_REQUESTS_PER_MINUTE: '1000000',
};

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

type InstallationSettings = Readonly<Record<string, string>> & { readonly DATA_DIR: string };

/** A service with its own data directory, which is started again whenever it is killed. */
class Installation {
  readonly #settings: InstallationSettings;
  #service: ServiceProcess;

  static async create(): Promise<Installation> {
    const settings = { ...SETTINGS, DATA_DIR: await freshDirectory() };
    const service = await startServiceProcess(settings);
    return new Installation({ ...settings, PORT: new URL(service.baseUrl).port }, service);
  }

  private constructor(settings: InstallationSettings, service: ServiceProcess) {
    this.#settings = settings;
    this.#service = service;
  }

  get service(): ServiceProcess {
    return this.#service;
  }

  /** Returns when what was killed runs again, or is about to. `afterMs`: from the one to the other, when it is both. */
  async kill(target: (typeof TARGETS)[number], afterMs: number): Promise<void> {
    const { DATA_DIR } = this.#settings;
    if (target === 'postgres') {
      // The last kill may have been so recent that it is only just starting again.
      await vi.waitFor(async () => expect(await killEmbeddedPostgres(DATA_DIR)).toBe(true), {
        timeout: 20_000,
        interval: 20,
      });
      return;
    }
    if (target === 'both') {
      await killEmbeddedPostgres(DATA_DIR);
      // Long enough, at times, for settlements to reach the journal and nothing else.
      await pause(afterMs);
    }
    await this.#service.stop('SIGKILL');
    this.#service = await startServiceProcess(this.#settings);
  }

  /** What is waited for, unless the service ends without having been killed: then it rejects with what that printed. */
  whileAlive(awaited: Promise<void>): Promise<void> {
    const service = this.#service;
    const dead = service.exited.then((code) => {
      throw new Error(`the service ended by itself, with ${String(code)}:\n${service.output()}`);
    });
    return Promise.race([awaited, dead]);
  }

  async dispose(): Promise<void> {
    await this.#service.dispose();
    await killEmbeddedPostgres(this.#settings.DATA_DIR);
  }
}

describe.concurrent('the books of a service under load', () => {
  const seed = testSeed();
  for (const number of INSTALLATIONS) {
    const what = `service and Postgres were killed at ${String(KILLS_EACH)} random moments`;
    it(`are exact after ${what} (installation ${String(number)}, seed ${String(seed)})`, async () => {
      const random = new SeededRandom(seed + number);
      const installation = await Installation.create();
      try {
        const journal = await killAgainAndAgain(installation, random);
        await expectExactBooks(installation.service, journal);
      } finally {
        await installation.dispose();
      }
    });
  }
});

/** Kills again and again under load, each time after some call has come through. Returns what the clients saw. */
async function killAgainAndAgain(installation: Installation, random: SeededRandom): Promise<readonly Seen[]> {
  const { baseUrl, firstRun } = installation.service;
  const load = new Load({ baseUrl, key: firstRun.testKey }, random);
  try {
    for (let kill = 0; kill < KILLS_EACH; kill += 1) {
      await installation.whileAlive(load.completed());
      await pause(random.between(0, 300));
      await installation.kill(TARGETS[kill % TARGETS.length] ?? 'both', random.between(0, 200));
    }
    await installation.whileAlive(load.completed());
  } finally {
    await load.stop();
  }
  return load.journal;
}

async function expectExactBooks(
  { baseUrl, firstRun, dataDir }: ServiceProcess,
  journal: readonly Seen[],
): Promise<void> {
  const books = new Books(await embeddedUrl(dataDir));
  try {
    await books.nothingHeld(30_000);
    const recorded = await books.eachSettledOnce();
    const complete = journal.filter(({ complete, requestId }) => complete && requestId !== null);
    const wrong = complete.flatMap(({ status, requestId, picos, body }) => {
      const call = recorded.get(requestId ?? '');
      // Whoever was refused may have left no trace, but must not be charged.
      const charged = call?.picos ?? (status === 200 ? null : 0n);
      return charged === (picos ?? 0n) ? [] : [{ status, requestId, picos, call, body }];
    });
    expect(wrong).toEqual([]);
    expect(complete.filter(({ status }) => status === 200).length).toBeGreaterThan(KILLS_EACH);
    expect([...recorded.values()].filter(({ source }) => source === 'unknown').length).toBeGreaterThan(0);
    const { accounts } = await Developer.signIn(baseUrl, firstRun.email, firstRun.password);
    expect(await books.invoiced(accounts.test)).toHaveLength(1);
    await books.inOrder();
  } finally {
    await books.close();
  }
}
