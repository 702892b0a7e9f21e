import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.sql.query('CREATE SCHEMA ours; CREATE TABLE ours.things (id integer PRIMARY KEY)');
});
afterAll(() => stage.close());

const options = { schema: 'ours', lock: 'ours' };
const things = async () => (await stage.sql.query('SELECT id FROM ours.things ORDER BY id')).rows;

describe('a projection’s transaction', () => {
  it('finds unqualified names in its own schema only', async () => {
    await stage.transactions.transaction(options, (sql) => sql.query('INSERT INTO things VALUES (1)'));
    expect(await things()).toEqual([{ id: 1 }]);
    const foreign = stage.transactions.transaction(options, (sql) => sql.query('SELECT FROM events'));
    await expect(foreign).rejects.toThrow(StoreUnavailable);
    await expect(foreign).rejects.toThrow('relation "events" does not exist');
  });

  it('takes everything back when the work throws, and throws just that', async () => {
    const reason = new TypeError('a bug');
    const failing = stage.transactions.transaction(options, async (sql) => {
      await sql.query('INSERT INTO things VALUES (2)');
      throw reason;
    });
    await expect(failing).rejects.toBe(reason);
    expect(await things()).not.toContainEqual({ id: 2 });
  });

  it('blames the values, not the database, for a value that breaks a rule', async () => {
    const twice = stage.transactions.transaction(options, (sql) => sql.query('INSERT INTO things VALUES (3), (3)'));
    await expect(twice).rejects.not.toBeInstanceOf(StoreUnavailable);
    await expect(twice).rejects.toThrow('duplicate key');
  });

  it('blames the database for a lost connection', async () => {
    const cut = stage.transactions.transaction(options, (sql) =>
      sql.query('SELECT pg_terminate_backend(pg_backend_pid())'),
    );
    await expect(cut).rejects.toThrow(StoreUnavailable);
  });

  it('waits for another that holds the same lock, and for no other', async () => {
    const gate = Promise.withResolvers<undefined>();
    const begun = Promise.withResolvers<undefined>();
    const order: string[] = [];
    const first = stage.transactions.transaction(options, async () => {
      begun.resolve(undefined);
      await gate.promise;
      order.push('first');
    });
    await begun.promise;
    const second = stage.transactions.transaction(options, () => Promise.resolve(order.push('second')));
    await stage.transactions.transaction({ ...options, lock: 'another' }, () => Promise.resolve(order.push('other')));
    gate.resolve(undefined);
    await Promise.all([first, second]);
    expect(order).toEqual(['other', 'first', 'second']);
  });

  it('goes on beside another that holds other parts of the lock, and waits for the same part and the whole', async () => {
    const gate = Promise.withResolvers<undefined>();
    const begun = Promise.withResolvers<undefined>();
    const order: string[] = [];
    const run = (name: string, parts?: readonly number[]) =>
      stage.transactions.transaction(parts ? { ...options, parts } : options, () => Promise.resolve(order.push(name)));
    const first = stage.transactions.transaction({ ...options, parts: [3, 1, 3] }, async () => {
      begun.resolve(undefined);
      await gate.promise;
      order.push('first');
    });
    await begun.promise;
    const same = run('same', [2, 1]);
    await run('other', [0]);
    await run('none', []);
    const whole = run('whole');
    gate.resolve(undefined);
    await Promise.all([first, same, whole]);
    expect(order.slice(0, 3)).toEqual(['other', 'none', 'first']);
    expect(order.slice(3).sort()).toEqual(['same', 'whole']);
  });

  it('with no part of a lock waits for who holds the whole', async () => {
    const gate = Promise.withResolvers<undefined>();
    const begun = Promise.withResolvers<undefined>();
    const order: string[] = [];
    const whole = stage.transactions.transaction(options, async () => {
      begun.resolve(undefined);
      await gate.promise;
      order.push('whole');
    });
    await begun.promise;
    const none = stage.transactions.transaction({ ...options, parts: [] }, () => Promise.resolve(order.push('none')));
    await stage.transactions.transaction({ ...options, lock: 'another' }, () => Promise.resolve(order.push('other')));
    gate.resolve(undefined);
    await Promise.all([whole, none]);
    expect(order).toEqual(['other', 'whole', 'none']);
  });

  it('bounds its statements by the time it is given', async () => {
    const slow = (timeoutMs: number) =>
      stage.transactions.transaction({ ...options, timeoutMs }, (sql) => sql.query('SELECT pg_sleep(0.2)'));
    await expect(slow(20)).rejects.toThrow(StoreUnavailable);
    await expect(slow(10_000)).resolves.toMatchObject({ rowCount: 1 });
  });

  it('does not wait for the disk when it commits', async () => {
    const read = (sql: typeof stage.sql) => sql.query<{ synchronous_commit: string }>('SHOW synchronous_commit');
    expect((await stage.transactions.transaction(options, read)).rows).toEqual([{ synchronous_commit: 'off' }]);
    expect((await read(stage.sql)).rows).toEqual([{ synchronous_commit: 'on' }]);
  });
});
