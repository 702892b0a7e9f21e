import { describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { deriveId } from '../../../events/ids.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { eventStoreContract } from '../../contract/eventStore.contract.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

async function storeOn(database: TestDatabase, timeoutMs = 5_000): Promise<PostgresEventStore> {
  return PostgresEventStore.open({ connectionString: database.url, log: silentLog, timeoutMs });
}

async function killBackends(database: TestDatabase): Promise<void> {
  await database.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'tallystick%'`,
  );
}

function oneEvent(label: string) {
  const eventId = deriveId('int', label);
  return {
    stream: `request-${eventId}`,
    expected: 'no_stream' as const,
    events: [{ eventId, type: 'RequestAccepted', version: 1, data: JSON.stringify({ label }) }],
  };
}

eventStoreContract(
  'postgres',
  async () => {
    const database = await testDatabase();
    const store = await storeOn(database);
    return {
      store,
      interrupt: () => killBackends(database),
      async dispose() {
        await store.close();
        await database.close();
      },
    };
  },
  { contiguous: true },
);

describe('the event store in Postgres', () => {
  it.each([
    "UPDATE events SET data = '{}'",
    'UPDATE events SET revision = 5 WHERE position = 1',
    'DELETE FROM events',
    'DELETE FROM events WHERE position = 1',
    'TRUNCATE events',
    'TRUNCATE events CASCADE',
    'DELETE FROM event_head',
    'TRUNCATE event_head',
  ])('refuses to change the record: %s', async (statement) => {
    const database = await testDatabase();
    const store = await storeOn(database);
    await store.append(oneEvent('a'));
    const before = await store.readAll({ after: 0n, limit: 10 });
    await expect(database.pool.query(statement)).rejects.toThrow('is refused: the record is only ever appended to');
    expect(await store.readAll({ after: 0n, limit: 10 })).toEqual(before);
    expect(await store.head()).toBe(1n);
    await store.close();
    await database.close();
  });

  it('sees what another process appends', async () => {
    const database = await testDatabase();
    const [here, there] = await Promise.all([storeOn(database), storeOn(database)]);
    const abort = new AbortController();
    const seen: bigint[] = [];
    const following = (async () => {
      for await (const page of here.subscribe({ after: 0n, limit: 10, signal: abort.signal })) seen.push(page.position);
    })();
    await there.append(oneEvent('a'));
    await vi.waitFor(() => {
      expect(seen).toEqual([1n]);
    });
    abort.abort();
    await following;
    await Promise.all([here.close(), there.close()]);
    await database.close();
  });

  it('keeps one order without gaps when several processes append', async () => {
    const database = await testDatabase();
    const stores = await Promise.all([storeOn(database), storeOn(database), storeOn(database)]);
    const results = await Promise.all(
      stores.flatMap((store, process) =>
        Array.from({ length: 100 }, (_, index) => store.append(oneEvent(`${String(process)} ${String(index)}`))),
      ),
    );
    expect(results.every((result) => result.outcome === 'appended')).toBe(true);
    const { events } = await stores[0].readAll({ after: 0n, limit: 1_000 });
    expect(events.map((event) => event.position)).toEqual(Array.from({ length: 300 }, (_, index) => BigInt(index + 1)));
    await Promise.all(stores.map((store) => store.close()));
    await database.close();
  });

  it('keeps one order with a process of the version before, which appends in its own way while others are upgraded', async () => {
    const database = await testDatabase();
    const store = await storeOn(database);
    const appendOfBefore = async (label: string, expected = -1) => {
      const { stream, events } = oneEvent(label);
      const [event] = events;
      const values = ['0', stream, expected, expected + 1, event?.eventId, event?.type, event?.version, event?.data];
      const text = 'SELECT first_position, refused FROM append_events($1, $2, $3, $4, $5, $6, $7, $8)';
      const { rows } = await database.pool.query<{ first_position: string; refused: unknown }>(
        text,
        values.map(String),
      );
      return rows[0];
    };
    await store.append(oneEvent('a'));
    expect(await appendOfBefore('b')).toEqual({ first_position: '2', refused: null });
    expect(await store.append(oneEvent('c'))).toEqual({ outcome: 'appended', revision: 0n, position: 3n });
    expect(await store.append(oneEvent('b'))).toEqual({ outcome: 'repeated', revision: 0n, position: 2n });
    expect(await appendOfBefore('c', 4)).toMatchObject({ refused: [{ append: 0, outcome: 'conflict' }] });
    expect(await store.head()).toBe(3n);
    await store.close();
    await database.close();
  });

  it('tells callers in time that the store is blocked, and the retry finds out what happened', async () => {
    const database = await testDatabase();
    const store = await storeOn(database, 300);
    const blocker = await database.pool.connect();
    await blocker.query('BEGIN; SELECT position FROM event_head FOR UPDATE');
    const before = performance.now();
    await expect(store.append(oneEvent('a'))).rejects.toThrow(StoreUnavailable);
    expect(performance.now() - before).toBeLessThan(1_000);
    await blocker.query('ROLLBACK');
    blocker.release();
    await vi.waitFor(async () => {
      expect(['appended', 'repeated']).toContain((await store.append(oneEvent('a'))).outcome);
    });
    expect(await store.append(oneEvent('a'))).toEqual({ outcome: 'repeated', revision: 0n, position: 1n });
    expect(await store.head()).toBe(1n);
    await store.close();
    await database.close();
  });

  it('carries the cause of being unavailable, and recovers on the next call', async () => {
    const database = await testDatabase();
    const store = await storeOn(database);
    const blocker = await database.pool.connect();
    await blocker.query('BEGIN; SELECT position FROM event_head FOR UPDATE');
    const failing = store.append(oneEvent('a')).catch((error: unknown) => error);
    await vi.waitFor(async () => {
      const { rows } = await database.pool.query("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      expect(rows.length).toBe(1);
    });
    await killBackends(database);
    const error = await failing;
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect((error as StoreUnavailable).cause).toMatchObject({ code: '57P01' });
    await blocker.query('ROLLBACK');
    blocker.release();
    expect(await store.append(oneEvent('a'))).toEqual({ outcome: 'appended', revision: 0n, position: 1n });
    await store.close();
    await database.close();
  });

  it('waits for the disk with every commit, also when the database is configured not to', async () => {
    const database = await testDatabase();
    const { rows } = await database.pool.query<{ name: string }>('SELECT current_database() AS name');
    await database.pool.query(`ALTER DATABASE ${rows[0]?.name ?? ''} SET synchronous_commit = off`);
    await database.pool.query(`CREATE TABLE seen (setting text);
      CREATE FUNCTION note_setting() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
      CREATE TRIGGER note_setting AFTER INSERT ON events EXECUTE FUNCTION note_setting()`);
    const store = await storeOn(database);
    await store.append(oneEvent('a'));
    expect((await database.pool.query('SELECT setting FROM seen')).rows).toEqual([{ setting: 'on' }]);
    await store.close();
    await database.close();
  });

  it('does not open where there is no server', async () => {
    const opening = PostgresEventStore.open({ connectionString: 'postgres://nobody@127.0.0.1:1/none', log: silentLog });
    await expect(opening).rejects.toThrow(StoreUnavailable);
  });
});
