import { describe } from 'vitest';
import { postgresJobs } from '../../../infra/bullmq/jobBackend.ts';
import { batchJobsContract } from '../../contract/batchJobs.contract.ts';

describe('Jobs of batches in Postgres:', () => {
  batchJobsContract((databaseUrl) =>
    Promise.resolve({ jobs: postgresJobs(databaseUrl), arguments: [], close: () => Promise.resolve() }),
  );
});
