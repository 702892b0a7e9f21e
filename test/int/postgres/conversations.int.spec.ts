import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresAgentSessions } from '../../../infra/postgres/agentSessions.ts';
import { closePool, openPool, type Pool } from '../../../infra/postgres/database.ts';
import { migrate } from '../../../infra/postgres/migrate.ts';
import { postgresResponses } from '../../../infra/postgres/storedResponses.ts';
import type { StoredResponse } from '../../../services/relay/dialects/responses/storedResponses.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await testDatabase();
  await migrate(database.url, silentLog);
  pool = openPool({
    connectionString: database.url,
    applicationName: 'test',
    maxConnections: 2,
    timeoutMs: 5_000,
    log: silentLog,
  });
});
afterAll(async () => {
  await closePool(pool);
  await database.close();
});

describe('A conversation that a platform keeps', () => {
  const NEW = { agent: 'dify', user: 'hash-1', place: null } as const;
  const PLACED = { ...NEW, place: { channel: 'dify-1', platformId: 'conversation-1' } };

  it('is found by its account only, as it was remembered last', async () => {
    const sessions = postgresAgentSessions(pool);
    await sessions.remember('account-1', { sessionId: 's1', ...NEW });
    expect(await sessions.find('account-1', 's1')).toEqual(NEW);
    await sessions.remember('account-1', { sessionId: 's1', ...PLACED });
    expect(await sessions.find('account-1', 's1')).toEqual(PLACED);
    expect(await sessions.find('account-2', 's1')).toBeNull();
    expect(await sessions.find('account-1', 's2')).toBeNull();
  });

  it.each(['\0', 'a\0b', '\ud800'])('is not there under %j', async (id) => {
    expect(await postgresAgentSessions(pool).find('account-1', id)).toBeNull();
  });

  it('is forgotten after 30 days, and its row goes with a later write', async () => {
    const sessions = postgresAgentSessions(pool);
    await sessions.remember('account-3', { sessionId: 'old', ...NEW });
    await pool.query(`UPDATE agent_sessions SET touched_at = now() - interval '31 days' WHERE session_id = 'old'`);
    expect(await sessions.find('account-3', 'old')).toBeNull();
    await sessions.remember('account-3', { sessionId: 'young', ...NEW });
    const { rows } = await pool.query(`SELECT session_id FROM agent_sessions WHERE account_id = 'account-3'`);
    expect(rows).toEqual([{ session_id: 'young' }]);
  });
});

describe('A response that is kept', () => {
  const KEY = Buffer.alloc(32, 7);
  const RESPONSE: StoredResponse = {
    id: 'resp_1',
    body: '{"id":"resp_1"}',
    system: [],
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'a canary in the prompt 金丝雀' }] }],
    createdAt: 1_763_630_000,
  };

  it('is its account’s alone, until it is removed', async () => {
    const responses = postgresResponses(pool, KEY);
    await responses.save('account-1', RESPONSE);
    expect(await responses.find('account-1', 'resp_1')).toEqual(RESPONSE);
    expect(await responses.find('account-2', 'resp_1')).toBeNull();
    expect(await responses.remove('account-2', 'resp_1')).toBe(false);
    expect(await responses.remove('account-1', 'resp_1')).toBe(true);
    expect(await responses.find('account-1', 'resp_1')).toBeNull();
  });

  it.each(['\0', 'a\0b', '\ud800'])('is not there under %j', async (id) => {
    const responses = postgresResponses(pool, KEY);
    expect(await responses.find('account-1', id)).toBeNull();
    expect(await responses.remove('account-1', id)).toBe(false);
  });

  it('is sealed in the table, for its account and id', async () => {
    const responses = postgresResponses(pool, KEY);
    await responses.save('account-1', RESPONSE);
    const { rows } = await pool.query<{ sealed: Buffer }>('SELECT sealed FROM stored_responses');
    expect(rows).toHaveLength(1);
    expect(rows[0]?.sealed.includes('canary')).toBe(false);
    await pool.query(`UPDATE stored_responses SET account_id = 'account-2'`);
    await expect(responses.find('account-2', 'resp_1')).rejects.toThrow('the seal is broken');
    await pool.query('DELETE FROM stored_responses');
  });

  it('is forgotten after 30 days', async () => {
    const responses = postgresResponses(pool, KEY);
    await responses.save('account-1', RESPONSE);
    await pool.query(`UPDATE stored_responses SET created_at = now() - interval '31 days'`);
    expect(await responses.find('account-1', 'resp_1')).toBeNull();
    await responses.save('account-1', { ...RESPONSE, id: 'resp_2' });
    const { rows } = await pool.query('SELECT response_id FROM stored_responses');
    expect(rows).toEqual([{ response_id: 'resp_2' }]);
  });

  describe('in an account that has many', () => {
    /** Responses `kept_1` (the oldest) to `kept_{count}`, of so many bytes each, and one of another account. */
    const keep = async (count: number, bytes: number) => {
      await pool.query('DELETE FROM stored_responses');
      await pool.query(
        `INSERT INTO stored_responses (account_id, response_id, sealed, created_at)
         SELECT 'account-1', 'kept_' || n, convert_to(repeat('x', $2), 'UTF8'), now() - ($1 - n + 1) * interval '1 second'
         FROM generate_series(1, $1::integer) AS n
         UNION ALL SELECT 'account-2', 'oldest', '', now() - interval '1 day'`,
        [count, bytes],
      );
    };
    const kept = async () => {
      const { rows } = await pool.query<{ response_id: string }>(
        'SELECT response_id FROM stored_responses ORDER BY account_id, created_at',
      );
      return rows.map((row) => row.response_id);
    };

    it('takes the place of the oldest of its account when there are 2,000', async () => {
      await keep(2_000, 1);
      const responses = postgresResponses(pool, KEY);
      await responses.save('account-1', RESPONSE);
      const left = await kept();
      expect(left).toHaveLength(2_001);
      expect(left.slice(0, 2)).toEqual(['kept_2', 'kept_3']);
      expect(left.slice(-2)).toEqual(['resp_1', 'oldest']);
      await responses.save('account-1', RESPONSE);
      expect(await kept()).toEqual(left);
    });

    it('takes the room of the oldest when together they would have more than 256 MiB', async () => {
      await keep(26, 10 * 2 ** 20);
      await postgresResponses(pool, KEY).save('account-1', RESPONSE);
      expect(await kept()).toEqual([
        ...Array.from({ length: 25 }, (_, index) => `kept_${String(index + 2)}`),
        'resp_1',
        'oldest',
      ]);
    });
  });
});
