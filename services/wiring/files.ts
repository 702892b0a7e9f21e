import { loadSecrets } from '../../infra/config/secrets.ts';
import { BullBatchQueue, startBatchWorker } from '../../infra/bullmq/batchWorker.ts';
import { postgresJobs, redisJobs } from '../../infra/bullmq/jobBackend.ts';
import { deriveKeys } from '../../infra/crypto/masterKey.ts';
import { openObjects } from '../../infra/objects/openObjects.ts';
import { postgresBatches } from '../../infra/postgres/batches.ts';
import { postgresFiles } from '../../infra/postgres/files.ts';
import { Library } from '../files/library.ts';
import { fileRoutes } from '../files/routes.ts';
import type { Admission } from '../relay/admission.ts';
import { batchRoutes } from '../relay/batches/batches.routes.ts';
import { runBatch, type RunParts } from '../relay/batches/runBatch.ts';
import type { SubmitParts } from '../relay/batches/submit.ts';
import type { ClientLimits } from '../relay/http/clientConnection.ts';
import type { Operation } from '../relay/operation.ts';
import { Closing, type Core } from './core.ts';

/** Uploads that are read into memory at once. */
const UPLOADS_AT_ONCE = 8;
/** So that one account's slow uploads keep nobody else's out. */
const UPLOADS_OF_ACCOUNT_AT_ONCE = 2;

export type FileParts = Pick<SubmitParts, 'prices' | 'router' | 'holds' | 'settlements' | 'limiter'> &
  Pick<RunParts, 'upstream' | 'metrics' | 'estimator'> & {
    readonly admission: Admission;
    readonly limits: ClientLimits;
  };

/** Files, and batches, which are made of files. `operations`: what the lines of a batch may ask. */
export async function openFiles(core: Core, parts: FileParts, operations: readonly Operation[]) {
  const { config, pool, runtime } = core;
  const closing = new Closing();
  try {
    const objects = await openObjects(config.OBJECT_STORE_URL, config.DATA_DIR, () => runtime.ids.uuid());
    closing.add(() => objects.close());
    const limits = { maxFileBytes: config.MAX_FILE_BYTES, maxAccountBytes: config.MAX_ACCOUNT_FILE_BYTES };
    const library = new Library({ objects: objects.store, records: postgresFiles(pool), runtime, limits });
    const stopSweeping = library.keepSweeping();
    closing.add(() => {
      stopSweeping();
      return Promise.resolve();
    });
    const files = fileRoutes({
      library,
      links: {
        key: deriveKeys(Buffer.from(loadSecrets(config).masterKey, 'hex')).fileLinks,
        publicUrl: config.PUBLIC_URL ?? `http://${config.HOST}:${String(config.PORT)}`,
        clock: runtime.clock,
      },
      limiter: parts.limiter,
      uploads: {
        admission: parts.admission,
        runtime,
        clientLimits: parts.limits,
        maxFileBytes: config.MAX_FILE_BYTES,
        maxUploads: UPLOADS_AT_ONCE,
        maxUploadsOfAccount: UPLOADS_OF_ACCOUNT_AT_ONCE,
      },
    });
    const batches = await openBatches(core, parts, library, operations, closing);
    return {
      relayRoutes: files.relayRoutes,
      routes: [...files.routes, ...batches],
      uploadsOf: files.uploadsOf,
      close: () => closing.run(),
    };
  } catch (error) {
    await closing.run();
    throw error;
  }
}

/** Batches run where the upstreams are, in relay processes; which of them runs one, the job queue decides. */
async function openBatches(
  core: Core,
  parts: FileParts,
  library: Library,
  operations: readonly Operation[],
  closing: Closing,
) {
  const { config, databaseUrl, pool, runtime } = core;
  const jobs = config.REDIS_URL === undefined ? postgresJobs(databaseUrl) : redisJobs(config.REDIS_URL);
  await jobs.prepare(runtime.log);
  const queue = await BullBatchQueue.open(jobs, runtime.log);
  closing.add(() => queue.close());
  const records = postgresBatches(pool);
  const { limiter, estimator, prices, router, holds, settlements, upstream, metrics } = parts;
  const lines = {
    operations,
    maxDepth: config.MAX_BODY_DEPTH,
    limits: { maxLines: config.BATCH_MAX_LINES, maxLineBytes: config.MAX_BODY_BYTES },
  };
  const common = { library, records, router, settlements, runtime, lines };
  const run = { ...common, upstream, estimator, metrics, linesAtOnce: config.BATCH_LINES_AT_ONCE };
  const worker = await startBatchWorker(jobs, (id, signal) => runBatch(run, id, signal), runtime.log);
  closing.add(() => worker.close());
  queue.keepRequesting(runtime.timers, () => records.unfinished());
  return batchRoutes({ ...common, queue, prices, limiter, holds });
}
