import { redisJobs } from '../../../infra/bullmq/jobBackend.ts';
import { batchJobsContract } from '../../contract/batchJobs.contract.ts';
import { describeWith, ownRedis } from '../../support/engines.ts';

describeWith('redis', 'Jobs of batches in Redis:', () => {
  batchJobsContract(async () => {
    const server = await ownRedis();
    return { jobs: redisJobs(server.url), arguments: [server.url], close: () => server.dispose() };
  });
});
