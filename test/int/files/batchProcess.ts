import { startBatchWorker } from '../../../infra/bullmq/batchWorker.ts';
import { postgresJobs, redisJobs } from '../../../infra/bullmq/jobBackend.ts';
import { runBatch } from '../../../services/relay/batches/runBatch.ts';
import { silentLog } from '../../support/log.ts';
import { BatchWorld } from './batchWorld.ts';

/** A worker of batches in a process of its own, until it is killed. Prints a line when it has begun. */
const [, , databaseUrl = '', directory = '', upstreamUrl = '', lockMs = '1000', redisUrl] = process.argv;
const world = await BatchWorld.open({ databaseUrl, directory, upstreamUrl, linesAtOnce: 2 });
const jobs = redisUrl === undefined ? postgresJobs(databaseUrl) : redisJobs(redisUrl);
await startBatchWorker(jobs, (id, signal) => runBatch(world.run, id, signal), silentLog, {
  lockMs: Number(lockMs),
});
process.stdout.write('started\n');
