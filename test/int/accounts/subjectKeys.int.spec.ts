import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { createPersonalData } from '../../../infra/crypto/personalData.ts';
import { openPool } from '../../../infra/postgres/database.ts';
import { postgresSubjectKeys } from '../../../infra/postgres/subjectKeys.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await database.close();
});

describe('subject keys in Postgres', () => {
  it('keep the first key of a subject, whoever comes later', async () => {
    const keys = postgresSubjectKeys(database.pool);
    expect(await keys.obtain('user_1', Buffer.from('first'))).toEqual(Buffer.from('first'));
    expect(await keys.obtain('user_1', Buffer.from('second'))).toEqual(Buffer.from('first'));
    expect(await keys.find('user_1')).toEqual(Buffer.from('first'));
  });

  it('give all who come at once the same key', async () => {
    const keys = postgresSubjectKeys(database.pool);
    const tries = Array.from({ length: 20 }, (_, index) => keys.obtain('user_2', Buffer.of(index)));
    const given = await Promise.all(tries);
    expect(new Set(given.map((key) => key.toString('hex'))).size).toBe(1);
  });

  it('are gone when destroyed, once', async () => {
    const keys = postgresSubjectKeys(database.pool);
    await keys.obtain('user_3', Buffer.from('key'));
    expect(await keys.destroy('user_3')).toBe(true);
    expect(await keys.destroy('user_3')).toBe(false);
    expect(await keys.find('user_3')).toBeNull();
  });

  it('open what another process has sealed, until the subject is erased', async () => {
    const wrapKey = Buffer.alloc(32, 7);
    const [one, other] = [1, 2].map(() => createPersonalData(wrapKey, postgresSubjectKeys(database.pool)));
    const sealed = await one?.seal('user_4', 'profile', '阿达');
    expect(await other?.open('user_4', 'profile', sealed ?? null)).toBe('阿达');
    await other?.destroy('user_4');
    expect(await one?.open('user_4', 'profile', sealed ?? null)).toBeNull();
  });

  it('throw StoreUnavailable when the database cannot be reached', async () => {
    const pool = openPool({
      connectionString: 'postgres://nobody@127.0.0.1:1/none',
      applicationName: 'test',
      maxConnections: 1,
      timeoutMs: 1_000,
      log: silentLog,
    });
    const keys = postgresSubjectKeys(pool);
    await expect(keys.obtain('user_1', Buffer.of(1))).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(keys.find('user_1')).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(keys.destroy('user_1')).rejects.toBeInstanceOf(StoreUnavailable);
    await pool.end();
  });
});
