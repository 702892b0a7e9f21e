import { describe, expect, it } from 'vitest';
import { migrateJobs } from '../../../infra/bullmq/jobDatabase.ts';
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
});
