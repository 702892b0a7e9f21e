import {
  createPostgresBackend,
  createRedisBackend,
  withBackend,
  type BackendFactory,
  type ConnectionOptions,
  type IQueueBackend,
  type JobProgress,
  type PgPool,
  type PostgresQueueBackend,
  type Processor,
  type Queue,
  type Worker,
} from 'bullmq';
import type { Log } from '../../services/runtime.ts';
import { untilAborted } from '../abortable.ts';
import { closeRedis, connectRedis } from '../redis/connection.ts';
import { assertNotEvicting, RedisUnavailable } from '../redis/evictionPolicy.ts';
import type { BatchJob } from './batchJobs.ts';
import { INVOICING_QUEUE, type InvoicingJob } from './invoicingJobs.ts';
import { migrateJobs, openJobPool } from './jobDatabase.ts';

/** Whatever a job of any queue carries. */
export type JobData = InvoicingJob | BatchJob;
type BackendQueue = Queue<JobData, unknown, string, JobData, unknown, string, IQueueBackend, unknown>;
type BackendWorker = Worker<JobData, unknown, string, IQueueBackend, JobProgress, unknown>;
export type JobQueue = Pick<
  BackendQueue,
  'add' | 'getJob' | 'getJobs' | 'retryJobs' | 'upsertJobScheduler' | 'getJobScheduler' | 'close' | 'disconnect'
> & { on(event: 'error', listener: (error: Error) => void): unknown };

export type JobWorker = Pick<BackendWorker, 'close' | 'disconnect'> & {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'failed', listener: (job: { readonly id?: string } | undefined, error: Error) => void): unknown;
  on(event: 'stalled', listener: (jobId: string) => void): unknown;
};

export interface JobWorkerSettings {
  readonly concurrency: number;
  readonly lockDuration: number;
  readonly stalledInterval: number;
  readonly maxStalledCount: number;
}

/** Where jobs wait. Each queue and each worker has connections of its own; they reject with the cause when a database cannot be reached. */
export interface JobBackend {
  /** To be awaited once, before the first queue or worker. Throws Error with the reason when jobs would not be safe there. */
  prepare(log: Log): Promise<void>;
  queue(name?: string): Promise<JobQueue>;
  worker(processor: Processor<JobData, unknown>, settings: JobWorkerSettings, name?: string): Promise<JobWorker>;
}

/** BullMQ ends no pool that it was given. */
const inPoolOfItsOwn: BackendFactory<PostgresQueueBackend, string> = (name, { connection: url, ...rest }, settings) => {
  const pool = openJobPool(url);
  const backend = createPostgresBackend(name, { ...rest, connection: pool as PgPool }, settings);
  backend.on('close', () => void pool.end());
  return backend;
};

/** In the tables of a Postgres. */
export function postgresJobs(connectionString: string): JobBackend {
  return {
    prepare: () => migrateJobs(connectionString),
    ...bullOn(inPoolOfItsOwn, { queue: connectionString, worker: connectionString }, async (opened) => {
      // What was not ready at first never is: BullMQ looks at its tables once and keeps what it saw, also an error.
      try {
        await opened.waitUntilReady();
      } catch (error) {
        await saidGoodbye(opened);
        throw new Error('the job tables cannot be reached', { cause: error });
      }
    }),
  };
}

const GOODBYE_MS = 3_000;
const PREFIX = '{tallystick}:jobs';
const CONNECT_MS = 5_000;
const ANSWER_MS = 10_000;
const LONGEST_PAUSE_MS = 1_000;

/** In a Redis, which must not evict (EvictingRedis); it may come up later. Jobs are no record there either: what a wiped Redis forgets, a sweep requests again. */
export function redisJobs(url: string): JobBackend {
  const common = {
    url,
    connectTimeout: CONNECT_MS,
    retryStrategy: (tries: number) => Math.min(tries * 50, LONGEST_PAUSE_MS),
  };
  return {
    async prepare(log) {
      const redis = connectRedis(url, { name: 'check', log });
      try {
        await assertNotEvicting(redis);
      } catch (error) {
        if (!(error instanceof RedisUnavailable)) throw error;
        log.warn({ error }, 'the Redis of the jobs is not there; they are taken up when it is');
      } finally {
        await closeRedis(redis);
      }
    },
    ...bullOn<IQueueBackend, ConnectionOptions>(
      createRedisBackend,
      {
        // Who asks for a job is told when it cannot be taken down; who works waits until there is one.
        queue: { ...common, enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: ANSWER_MS },
        worker: { ...common, maxRetriesPerRequest: null },
      },
      () => Promise.resolve(),
      PREFIX,
    ),
  };
}

type Openable = Pick<BackendQueue, 'waitUntilReady' | 'close' | 'disconnect'>;

/** The same queue and worker on whatever keeps the jobs, when they are `ready`. */
function bullOn<B extends IQueueBackend, C>(
  factory: BackendFactory<B, C>,
  connections: { readonly queue: C; readonly worker: C },
  ready: (opened: Openable) => Promise<void>,
  prefix?: string,
): Pick<JobBackend, 'queue' | 'worker'> {
  const { Queue, Worker } = withBackend<IQueueBackend, C>(factory);
  const named = prefix === undefined ? {} : { prefix };
  return {
    async queue(name = INVOICING_QUEUE) {
      const queue = new Queue<JobData, unknown>(name, { ...named, connection: connections.queue });
      await ready(queue);
      return queue;
    },
    async worker(processor, settings, name = INVOICING_QUEUE) {
      const worker = new Worker<JobData, unknown>(name, processor, {
        ...named,
        ...settings,
        autorun: false,
        connection: connections.worker,
      });
      await ready(worker);
      worker
        .run()
        .catch((error: unknown) => worker.emit('error', error instanceof Error ? error : new Error(String(error))));
      return worker;
    },
  };
}

/**
 * BullMQ waits for its server without end when it closes. What a server that does not answer leaves open goes with the
 * process, and a job that is cut off is taken over like that of a process that died. Never rejects.
 */
export async function saidGoodbye(open: Pick<JobQueue, 'close' | 'disconnect'>): Promise<void> {
  const closed = open.close().then(
    () => true,
    () => false,
  );
  if (await untilAborted(closed, AbortSignal.timeout(GOODBYE_MS))) return;
  // Otherwise its connections would go on trying to reach the server.
  void open.disconnect().catch(() => undefined);
}
