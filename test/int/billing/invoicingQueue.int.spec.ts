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

  it('live through the loss of a connection while it is in use, which only its statement is told', async () => {
    const database = await testDatabase();
    const pool = new pg.Pool(jobConnection(database.url));
    pool.on('error', () => undefined);
    const client = await pool.connect();
    const lost = client.query('SELECT pg_terminate_backend(pg_backend_pid())');
    // Nobody listens to the client itself, as in BullMQ; without a listener of ours this would end the process.
    await expect(lost).rejects.toThrow('terminating connection');
    client.release(true);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await pool.end();
    await database.close();
  });
});
