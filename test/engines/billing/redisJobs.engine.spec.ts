import { Redis } from 'ioredis';
import { redisJobs } from '../../../infra/bullmq/jobBackend.ts';
import { invoicingJobsContract } from '../../contract/invoicingJobs.contract.ts';
import { describeWith, ownRedis } from '../../support/engines.ts';
import { testDatabase } from '../../support/postgres.ts';

describeWith('redis', 'Invoicing jobs in Redis:', () => {
  invoicingJobsContract(async () => {
    const [server, database] = await Promise.all([ownRedis(), testDatabase()]);
    return {
      jobs: redisJobs(server.url),
      databaseUrl: database.url,
      arguments: [database.url, server.url],
      async dropConnections() {
        const redis = new Redis(server.url);
        const dropped = Number(await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
        redis.disconnect();
        return dropped;
      },
      async close() {
        await server.dispose();
        await database.close();
      },
    };
  });
});
