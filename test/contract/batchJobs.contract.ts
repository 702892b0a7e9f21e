import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decode } from '../../events/codec.ts';
import { requestStream } from '../../events/ids.ts';
import { BullBatchQueue, startBatchWorker } from '../../infra/bullmq/batchWorker.ts';
import type { JobBackend } from '../../infra/bullmq/jobBackend.ts';
import { PostgresOrphanedHolds } from '../../infra/postgres/orphanedHolds.ts';
import { PostgresTransactions } from '../../infra/postgres/transactions.ts';
import { quotaProjection } from '../../projections/quota/quota.projection.ts';
import { ProjectionRunner } from '../../projections/runner.ts';
import { runBatch } from '../../services/relay/batches/runBatch.ts';
import { submitBatch } from '../../services/relay/batches/submit.ts';
import { Reaper } from '../../services/relay/settlement/reaper.ts';
import { testProcess } from '../support/childProcess.ts';
import { silentLog } from '../support/log.ts';
import { ScriptedUpstream, type ScriptedCall } from '../support/scriptedUpstream.ts';
import { HoldsDatabase } from '../int/holds/holdsDatabase.ts';
import { BatchWorld, CALLER, chatAnswer, chatLine } from '../int/files/batchWorld.ts';

export interface BatchJobPlace {
  readonly jobs: JobBackend;
  /** What a worker process is told beside the database: where the jobs are when they are not in it. */
  readonly arguments: readonly string[];
  close(): Promise<void>;
}

const LOCK_MS = 1_000;
const LINES = 8;

/** What batches do on jobs, wherever these wait. `make` is told the database. */
export function batchJobsContract(make: (databaseUrl: string) => Promise<BatchJobPlace>): void {
  let holds: HoldsDatabase;
  let upstream: ScriptedUpstream;
  let directory: string;
  let world: BatchWorld;
  let projections: ProjectionRunner;
  let place: BatchJobPlace;
  const closing: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    holds = await HoldsDatabase.create();
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1');
    place = await make(holds.database.url);
    await place.jobs.prepare(silentLog);
    upstream = await ScriptedUpstream.start();
    directory = await mkdtemp(path.join(tmpdir(), 'batches-'));
    world = await BatchWorld.open({ databaseUrl: holds.database.url, directory, upstreamUrl: upstream.baseUrl });
    const transactions = new PostgresTransactions(holds.pool);
    const { timers } = world.runtime;
    projections = new ProjectionRunner({
      store: world.store,
      transactions,
      timers,
      log: silentLog,
      projections: [quotaProjection],
    });
    await projections.start();
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await projections.stop();
    await upstream.close();
    await world.close();
    await place.close();
    await holds.close();
    await rm(directory, { recursive: true, force: true });
  });

  async function submitted(): Promise<string> {
    const lines = Array.from({ length: LINES }, (_, n) => chatLine(`line-${String(n)}`, `prompt-${String(n)}`));
    const bytes = Buffer.from(lines.join('\n'));
    const file = { accountId: 'acct_1', name: 'in', bytes, purpose: 'batch', createdBy: null, keptMs: null } as const;
    const { id: inputFileId } = await world.library.add(file);
    const wish = {
      inputFileId,
      endpoint: '/v1/chat/completions',
      metadata: null,
      filesKeptMs: 3_600_000,
      idempotency: null,
    };
    return (await submitBatch(world.submit, CALLER, wish)).id;
  }

  /** A queue of jobs, and a worker of this process when it is asked for. */
  async function openJobs() {
    const queue = await BullBatchQueue.open(place.jobs, silentLog);
    closing.push(() => queue.close());
    world.queue = queue;
    const work = async () => {
      const worker = await startBatchWorker(place.jobs, (id, signal) => runBatch(world.run, id, signal), silentLog, {
        lockMs: LOCK_MS,
      });
      closing.push(() => worker.close());
    };
    return { queue, work };
  }

  const ended = (id: string) =>
    vi.waitFor(
      async () => {
        const batch = await world.run.records.find(id);
        expect(batch?.status).toBe('completed');
        return batch;
      },
      { timeout: 20_000, interval: 50 },
    );
  const promptOf = (call: ScriptedCall) =>
    (call.json() as { messages: { content: string }[] }).messages[0]?.content ?? '';

  describe('A batch whose worker is killed', () => {
    it('is taken over by another, loses no result and is billed once', async () => {
      const { work } = await openJobs();
      // Three lines are answered; the two after them hang when the worker dies.
      const hanging = Promise.withResolvers<undefined>();
      const answer = (call: ScriptedCall) => call.answer(200, chatAnswer('done'));
      upstream.next(answer).next(answer).next(answer);
      upstream
        .next(() => undefined)
        .next(() => hanging.resolve(undefined))
        .otherwise(answer);
      const child = testProcess(
        '../int/files/batchProcess.ts',
        holds.database.url,
        directory,
        upstream.baseUrl,
        String(LOCK_MS),
        ...place.arguments,
      );
      closing.push(() => child.kill());
      expect(await child.line()).toBe('started');
      const id = await submitted();
      await hanging.promise;
      await vi.waitFor(async () => expect((await world.run.records.find(id))?.completed).toBe(3));
      await child.kill();

      await holds.pool.query(`UPDATE relay_owners SET seen_at = seen_at - interval '1 hour'`);
      const { store, runtime } = world;
      const reaper = new Reaper({ holds: new PostgresOrphanedHolds(holds.pool), store, runtime, leaseMs: 0 });
      await reaper.round();
      expect(reaper.counts.reaped).toBe(0);

      await work();
      const batch = await ended(id);
      expect(batch).toMatchObject({ completed: LINES, failed: 0, errorFileId: null });
      expect(batch?.usage).toEqual({ uncachedInput: 6 * LINES, cacheRead: 4 * LINES, outputText: 5 * LINES });
      // The two lines that hung were asked again, and no other.
      const asked = upstream.calls.map(promptOf).toSorted();
      expect(asked).toHaveLength(LINES + 2);
      expect(new Set(asked).size).toBe(LINES);
      const stream = await store.readStream(requestStream(batch?.requestId ?? ''), {
        direction: 'forwards',
        limit: 100,
      });
      const events = stream.map((event) => decode(event));
      expect(events.map((event) => event?.type)).toEqual(['RequestAccepted', 'UsageRecorded', 'RequestCompleted']);
      expect(events[1]).toMatchObject({ usage: batch?.usage, policy: null });
      await vi.waitFor(async () => expect(await holds.totals()).toEqual({}));
    });
  });

  describe('Batches whose jobs are gone', () => {
    it('are asked for again', async () => {
      upstream.otherwise((call) => call.answer(200, chatAnswer('done')));
      const id = await submitted();
      expect(world.asked).toEqual([id]);
      const { queue, work } = await openJobs();
      queue.keepRequesting(world.runtime.timers, () => world.run.records.unfinished());
      await work();
      expect(await ended(id)).toMatchObject({ completed: LINES });
    });

    it('that are interrupted by a stop go on when they are asked for again', async () => {
      const begun = Promise.withResolvers<undefined>();
      upstream.next(() => begun.resolve(undefined)).otherwise((call) => call.answer(200, chatAnswer('done')));
      const { queue } = await openJobs();
      const first = await startBatchWorker(place.jobs, (id, signal) => runBatch(world.run, id, signal), silentLog, {
        lockMs: LOCK_MS,
      });
      const id = await submitted();
      await begun.promise;
      await first.close();
      expect(await world.run.records.find(id)).toMatchObject({ status: 'in_progress', completed: 0 });
      const second = await startBatchWorker(
        place.jobs,
        (each, signal) => runBatch(world.run, each, signal),
        silentLog,
        {
          lockMs: LOCK_MS,
        },
      );
      closing.push(() => second.close());
      await queue.request(id);
      expect(await ended(id)).toMatchObject({ completed: LINES });
    });
  });
}
