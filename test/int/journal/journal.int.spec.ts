import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventStore } from '../../../events/eventStore.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { testProcess } from '../../support/childProcess.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { JournalDirectory } from '../../unit/journal/journalDirectory.ts';
import { exampleCall } from '../../unit/settlement/calls.ts';
import { CuttableProxy } from '../holds/cuttableProxy.ts';

const WHOLE = ['RequestAccepted', 'UsageRecorded', 'RequestCompleted'];
let directory: JournalDirectory;

beforeEach(async () => {
  directory = await JournalDirectory.create();
});
afterEach(() => directory.remove());

async function typesOf(store: EventStore, stream: string): Promise<string[]> {
  const events = await store.readStream(stream, { direction: 'forwards', limit: 100 });
  return events.map((event) => event.type);
}

describe('a process that is killed while it writes its journal', () => {
  it('loses nothing that it had acknowledged, over several lives', async () => {
    const acknowledged: string[] = [];
    for (let life = 0; life < 5; life += 1) {
      const writer = testProcess('../int/journal/dyingJournal.ts', directory.path, `life ${String(life)}`);
      for (let count = 0; count < 40 + life * 17; count += 1) acknowledged.push(await writer.line());
      await writer.kill();
      await writer.line().then(
        (line) => acknowledged.push(line),
        () => undefined,
      );
    }
    const store = new MemoryEventStore();
    const journal = await directory.open(store);
    expect(journal.pending).toBeGreaterThanOrEqual(2 * acknowledged.length);
    await vi.waitFor(() => expect(journal.pending).toBe(0));
    for (const name of acknowledged) expect(await typesOf(store, exampleCall(name).stream)).toEqual(WHOLE);
    expect(journal.quarantined).toBe(0);
  }, 60_000);
});

describe('a journal before Postgres', () => {
  let database: TestDatabase;
  let proxy: CuttableProxy;
  let store: PostgresEventStore;

  beforeEach(async () => {
    database = await testDatabase();
    proxy = await CuttableProxy.before(database.url);
    store = await PostgresEventStore.open({
      connectionString: proxy.url(database.url),
      log: silentLog,
      timeoutMs: 500,
    });
  });
  afterEach(async () => {
    proxy.frozen = false;
    await store.close();
    await proxy.close();
    await database.close();
  });

  async function expectEachOnce(calls: readonly ReturnType<typeof exampleCall>[]): Promise<void> {
    for (const call of calls) expect(await typesOf(store, call.stream)).toEqual(WHOLE);
    const { rows } = await database.pool.query<{ count: string }>('SELECT count(*) FROM events');
    expect(Number(rows[0]?.count)).toBe(3 * calls.length);
  }

  it('brings each call to the store exactly once though backends are terminated and connections cut all the time', async () => {
    const journal = await directory.open(store);
    const calls = Array.from({ length: 600 }, (_, i) => exampleCall(`call ${String(i)}`));
    const left = [...calls];
    const disturbing = { over: false };
    const disturbance = (async () => {
      for (let round = 0; !disturbing.over; round += 1) {
        if (round % 2 === 0) proxy.cut();
        else {
          await database.pool.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'tallystick appends' AND datname = current_database()`,
          );
        }
        const goal = journal.counts.store + journal.counts.journal + 7 + ((round * 31) % 60);
        await vi.waitFor(
          () => expect(disturbing.over || journal.counts.store + journal.counts.journal >= goal).toBe(true),
          { interval: 1, timeout: 10_000 },
        );
      }
      return true;
    })();
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        for (let call = left.shift(); call; call = left.shift()) {
          await journal.append(call.acceptance);
          await journal.append(call.settlement);
        }
      }),
    );
    disturbing.over = true;
    await disturbance;
    await vi.waitFor(() => expect(journal.pending).toBe(0), { timeout: 10_000 });
    await expectEachOnce(calls);
    expect(journal.counts.journal).toBeGreaterThan(0);
    expect(journal).toMatchObject({ quarantined: 0, counts: { correction: 0, quarantine: 0 } });
  });

  it('goes on acknowledging while Postgres is frozen, and drains when it answers again', async () => {
    const journal = await directory.open(store);
    const calls = Array.from({ length: 50 }, (_, i) => exampleCall(`call ${String(i)}`));
    await Promise.all(calls.slice(0, 20).map((call) => journal.append(call.acceptance)));
    proxy.frozen = true;
    await Promise.all(
      calls.flatMap((call, i) =>
        (i < 20 ? [] : [journal.append(call.acceptance)]).concat(journal.append(call.settlement)),
      ),
    );
    expect(journal.pending).toBe(80);
    proxy.frozen = false;
    proxy.cut();
    await vi.waitFor(() => expect(journal.pending).toBe(0), { timeout: 10_000 });
    await expectEachOnce(calls);
    await vi.waitFor(async () => expect(await directory.files()).toEqual([]));
  });
});
