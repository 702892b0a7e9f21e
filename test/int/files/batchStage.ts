import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, vi } from 'vitest';
import { decode } from '../../../events/codec.ts';
import { requestStream } from '../../../events/ids.ts';
import { PostgresOrphanedHolds } from '../../../infra/postgres/orphanedHolds.ts';
import { PostgresTransactions } from '../../../infra/postgres/transactions.ts';
import { quotaProjection } from '../../../projections/quota/quota.projection.ts';
import { ProjectionRunner } from '../../../projections/runner.ts';
import type { BatchWish } from '../../../services/relay/batches/submit.ts';
import { Reaper } from '../../../services/relay/settlement/reaper.ts';
import { silentLog } from '../../support/log.ts';
import { ScriptedUpstream } from '../../support/scriptedUpstream.ts';
import { HoldsDatabase } from '../holds/holdsDatabase.ts';
import { BatchWorld } from './batchWorld.ts';

/** What a client asks for with this input file. */
export function wish(inputFileId: string, change: Partial<BatchWish> = {}): BatchWish {
  return {
    ...{ inputFileId, endpoint: '/v1/chat/completions', metadata: { for: 'test' }, filesKeptMs: 3_600_000 },
    idempotency: null,
    ...change,
  };
}

/** A world of batches with an account, its key, and the projection that ends holds. */
export class BatchStage {
  readonly holds: HoldsDatabase;
  readonly upstream: ScriptedUpstream;
  readonly directory: string;
  readonly world: BatchWorld;
  readonly #projections: ProjectionRunner;

  static async open(): Promise<BatchStage> {
    const holds = await HoldsDatabase.create();
    await holds.account('acct_1', { tokens: 1_000_000 });
    await holds.key('key_1', 'acct_1', { concurrency: 1 });
    const upstream = await ScriptedUpstream.start();
    const directory = await mkdtemp(path.join(tmpdir(), 'batches-'));
    const databaseUrl = holds.database.url;
    const world = await BatchWorld.open({ databaseUrl, directory, upstreamUrl: upstream.baseUrl });
    const stage = new BatchStage(holds, upstream, directory, world);
    await stage.#projections.start();
    return stage;
  }

  private constructor(holds: HoldsDatabase, upstream: ScriptedUpstream, directory: string, world: BatchWorld) {
    this.holds = holds;
    this.upstream = upstream;
    this.directory = directory;
    this.world = world;
    this.#projections = new ProjectionRunner({
      store: world.store,
      transactions: new PostgresTransactions(holds.pool),
      timers: world.runtime.timers,
      log: silentLog,
      projections: [quotaProjection],
    });
  }

  /** The id of an input file of the account. */
  async uploaded(lines: readonly string[]): Promise<string> {
    const bytes = Buffer.from(lines.join('\n'));
    const file = { accountId: 'acct_1', name: 'in.jsonl', bytes, createdBy: null, keptMs: null };
    return (await this.world.library.add({ ...file, purpose: 'batch' })).id;
  }

  async eventsOf(requestId: string) {
    const { store } = this.world;
    const stored = await store.readStream(requestStream(requestId), { direction: 'forwards', limit: 100 });
    return stored.map((event) => decode(event));
  }

  /** One that waits for no lease. */
  reaper(): Reaper {
    const { store, runtime } = this.world;
    return new Reaper({ holds: new PostgresOrphanedHolds(this.holds.pool), store, runtime, leaseMs: 0 });
  }

  async expectNothingHeld(): Promise<void> {
    await vi.waitFor(async () => expect(await this.holds.totals()).toEqual({}), { timeout: 5_000 });
    expect(await this.holds.holdCount()).toBe(0);
  }

  async close(): Promise<void> {
    await this.#projections.stop();
    await this.upstream.close();
    await this.world.close();
    await this.holds.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
