import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { jobConnection, migrateJobs } from '../../../infra/bullmq/jobDatabase.ts';
import { postgresJobs } from '../../../infra/bullmq/jobBackend.ts';
import { invoicingJobsContract } from '../../contract/invoicingJobs.contract.ts';
import { testDatabase } from '../../support/postgres.ts';

describe('Invoicing jobs in Postgres:', () => {
  invoicingJobsContract(async () => {
    const database = await testDatabase();
    return {
      jobs: postgresJobs(database.url),
      databaseUrl: database.url,
      arguments: [database.url],
      async dropConnections() {
        const { rowCount } = await database.pool.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        );
        return rowCount ?? 0;
      },
      close: () => database.close(),
    };
  });

  it('have a schema of their own, also when it is made twice at once', async () => {
    const database = await testDatabase();
    await Promise.all([migrateJobs(database.url), migrateJobs(database.url)]);
    const { rows } = await database.pool.query<{ schema: string }>(
      `SELECT DISTINCT table_schema AS schema FROM information_schema.tables WHERE table_name IN ('job', 'migration')`,
    );
    expect(rows).toEqual([{ schema: 'bullmq' }]);
    await database.close();
  });

  it('live through the loss of a connection that is in use', async () => {
    const database = await testDatabase();
    const pool = new pg.Pool(jobConnection(database.url));
    pool.on('error', () => undefined);
    const client = await pool.connect();
    const { rows: found } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const ended = new Promise((resolve) => client.once('end', resolve));
    // Between two statements, as in a transaction of BullMQ; without a listener of ours this would end the process.
    await database.pool.query('SELECT pg_terminate_backend($1)', [found[0]?.pid]);
    await ended;
    await expect(client.query('SELECT 1')).rejects.toThrow('not queryable');
    client.release(true);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await pool.end();
    await database.close();
  });
});
