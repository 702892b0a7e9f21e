import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { asStoreError, inTransaction, isUnavailable, openPool } from '../../../infra/postgres/database.ts';
import { migrate } from '../../../infra/postgres/migrate.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
  await database.pool.query('CREATE TABLE things (name text PRIMARY KEY)');
});
afterEach(() => database.close());

const names = async () =>
  (await database.pool.query<{ name: string }>('SELECT name FROM things ORDER BY name')).rows.map((row) => row.name);

const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: unknown) => error,
  );

describe('a transaction', () => {
  it('commits what was done in it and gives its result', async () => {
    const result = await inTransaction(database.pool, async (client) => {
      await client.query("INSERT INTO things VALUES ('a'), ('b')");
      return 'done';
    });
    expect(result).toBe('done');
    expect(await names()).toEqual(['a', 'b']);
  });

  it('rolls back and throws what was thrown, and the connection is as new', async () => {
    const single = openPool({
      connectionString: database.url,
      applicationName: 'single',
      maxConnections: 1,
      timeoutMs: 2_000,
      log: silentLog,
    });
    const bug = new Error('told by the test');
    const thrown = inTransaction(single, async (client) => {
      await client.query("INSERT INTO things VALUES ('a')");
      throw bug;
    });
    expect(await failure(thrown)).toBe(bug);
    const refused = inTransaction(single, async (client) => {
      await client.query("INSERT INTO things VALUES ('b')");
      await client.query("INSERT INTO things VALUES ('b')");
    });
    expect(await failure(refused)).toMatchObject({ code: '23505' });
    expect(await names()).toEqual([]);
    await inTransaction(single, (client) => client.query("INSERT INTO things VALUES ('c')"));
    expect(await names()).toEqual(['c']);
    await single.end();
  });

  it('survives losing its connection between two statements', async () => {
    const lost = inTransaction(database.pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await database.pool.query('SELECT pg_terminate_backend($1, 5000)', [rows[0]?.pid]);
      await client.query("INSERT INTO things VALUES ('a')");
    });
    expect(isUnavailable(await failure(lost))).toBe(true);
    expect(await names()).toEqual([]);
  });
});

describe('database errors', () => {
  it('are told apart: a wrong statement stays what it is, anything else is unavailability with its cause', async () => {
    const wrong = await failure(database.pool.query('SELECT nonsense'));
    expect(isUnavailable(wrong)).toBe(false);
    expect(asStoreError(wrong, 'asking')).toBe(wrong);
    const cancelled = await failure(
      inTransaction(database.pool, (client) => client.query('SET LOCAL statement_timeout = 10; SELECT pg_sleep(5)')),
    );
    expect(isUnavailable(cancelled)).toBe(true);
    const told = asStoreError(cancelled, 'asking');
    expect(told).toBeInstanceOf(StoreUnavailable);
    expect(told.cause).toBe(cancelled);
    expect(asStoreError(told, 'asking again')).toBe(told);
  });

  it('include a server that does not answer in time', async () => {
    const hasty = openPool({
      connectionString: database.url,
      applicationName: 'hasty',
      maxConnections: 1,
      timeoutMs: 100,
      log: silentLog,
    });
    expect(isUnavailable(await failure(hasty.query('SELECT pg_sleep(2)')))).toBe(true);
    expect((await hasty.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await hasty.end();
  });
});

describe('migrations', () => {
  it('run once, also when several processes start together', async () => {
    await database.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
    const ran = await Promise.all([1, 2, 3].map(() => migrate(database.url, silentLog)));
    expect(ran.filter((names) => names.length > 0).length).toBe(1);
    expect(ran.flat()[0]).toBe('0001_events');
    expect(await migrate(database.url, silentLog)).toEqual([]);
  });

  it('say when there is no server', async () => {
    await expect(migrate('postgres://nobody@127.0.0.1:1/none', silentLog)).rejects.toThrow('ECONNREFUSED');
  });
});
