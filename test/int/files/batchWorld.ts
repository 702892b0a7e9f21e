import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { channelSettings } from '../../../infra/config/channels.ts';
import { diskObjects } from '../../../infra/objects/diskObjects.ts';
import { postgresBatches } from '../../../infra/postgres/batches.ts';
import { openPool, type Pool } from '../../../infra/postgres/database.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { postgresFiles } from '../../../infra/postgres/files.ts';
import { PostgresHoldLedger } from '../../../infra/postgres/holdLedger.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { HttpUpstream } from '../../../infra/upstreams/httpUpstream.ts';
import { MemoryRateLimiter } from '../../../infra/memory/rateLimiter.ts';
import { Library } from '../../../services/files/library.ts';
import type { BatchQueue } from '../../../services/relay/batches/ports.ts';
import type { RunParts } from '../../../services/relay/batches/runBatch.ts';
import type { SubmitParts } from '../../../services/relay/batches/submit.ts';
import { protocolsWith } from '../../../services/relay/dialects/protocols.ts';
import { chatOperations } from '../../../services/relay/operations/chats.ts';
import type { CallerKey, PricedModel } from '../../../services/relay/ports.ts';
import { ChannelRouter } from '../../../services/relay/routing/router.ts';
import { appendSettlement } from '../../../services/relay/settlement/appendSettlement.ts';
import type { Runtime } from '../../../services/runtime.ts';
import { silentLog } from '../../support/log.ts';

const METERS = { uncachedInput: 150_000, cacheRead: 75_000, outputText: 600_000 };
export const PRICED: PricedModel = {
  model: 'gpt-test',
  currency: 'USD',
  priceVersion: 'c'.repeat(64),
  price: { meters: METERS },
  maxOutputTokens: 1_000,
};
const LONG: PricedModel = {
  ...PRICED,
  model: 'gpt-long',
  price: { meters: METERS, longContext: [{ aboveInputTokens: 100, meters: { uncachedInput: 300_000 } }] },
};

export interface BatchWorldOptions {
  readonly databaseUrl: string;
  readonly directory: string;
  readonly upstreamUrl: string;
  readonly linesAtOnce?: number;
  readonly heartbeatMs?: number;
}

/** A process that takes batches in and works on them: everything real, but the upstream's answers and the price book. */
export class BatchWorld {
  readonly pool: Pool;
  readonly store: PostgresEventStore;
  readonly holds: PostgresHoldLedger;
  readonly upstream: HttpUpstream;
  readonly library: Library;
  readonly submit: SubmitParts;
  readonly run: RunParts;
  readonly runtime: Runtime;
  /** Asked-for batches, where nothing else is told to take them. */
  readonly asked: string[] = [];
  queue: BatchQueue = { request: (id) => Promise.resolve(void this.asked.push(id)) };
  /** Added to the clock. */
  aheadMs = 0;

  static async open(options: BatchWorldOptions): Promise<BatchWorld> {
    const runtime = systemRuntime(silentLog);
    const { databaseUrl: connectionString, heartbeatMs = 1_000 } = options;
    const store = await PostgresEventStore.open({ connectionString, log: silentLog });
    const holds = await PostgresHoldLedger.open({ connectionString, runtime, owner: randomUUID(), heartbeatMs });
    const objects = await diskObjects(path.join(options.directory, 'objects'), randomUUID);
    return new BatchWorld(options, store, holds, objects);
  }

  private constructor(
    { databaseUrl, upstreamUrl, linesAtOnce = 1 }: BatchWorldOptions,
    store: PostgresEventStore,
    holds: PostgresHoldLedger,
    objects: Awaited<ReturnType<typeof diskObjects>>,
  ) {
    const system = systemRuntime(silentLog);
    const now = () => system.clock.now() + this.aheadMs;
    // Pauses between tries are not what these tests are about.
    const timers = { after: (ms: number, action: () => void) => system.timers.after(Math.min(ms, 20), action) };
    const runtime: Runtime = { ...system, clock: { ...system.clock, now }, timers };
    this.runtime = runtime;
    this.pool = openPool({
      ...{ connectionString: databaseUrl, applicationName: 'batches', maxConnections: 6 },
      ...{ timeoutMs: 10_000, log: silentLog },
    });
    this.store = store;
    this.holds = holds;
    const limits = { maxFileBytes: 10_000_000, maxAccountBytes: 100_000_000 };
    this.library = new Library({ objects, records: postgresFiles(this.pool), runtime, limits });
    const channels = [
      channelSettings({
        name: 'first',
        baseUrl: upstreamUrl,
        models: { 'gpt-test': 'upstream-model', 'gpt-long': 'x' },
      }),
    ];
    this.upstream = new HttpUpstream(channels, { log: silentLog });
    const router = new ChannelRouter(channels, runtime);
    const records = postgresBatches(this.pool);
    const settlements = {
      append: (append: Parameters<typeof appendSettlement>[1]) => appendSettlement(this.store, append),
      nearFull: false,
    };
    const spoken = protocolsWith({ fetch: () => Promise.reject(new Error('nothing is fetched')) });
    const operations = chatOperations({ maxDepth: 64, spoken, clock: runtime.clock, responsesOf: null });
    const lines = { operations, maxDepth: 64, limits: { maxLines: 50, maxLineBytes: 10_000 } };
    const common = { library: this.library, records, router, settlements, runtime, lines };
    const queue: BatchQueue = { request: (id) => this.queue.request(id) };
    const models = [PRICED, LONG];
    const find = (model: string) => models.find((priced) => priced.model === model) ?? null;
    const prices = { find, models: () => models };
    this.submit = { ...common, queue, prices, limiter: new MemoryRateLimiter(), holds };
    const metrics = { callEnded: () => undefined, tokens: () => undefined };
    const estimator = { count: (texts: readonly string[]) => Promise.resolve(texts.map((text) => text.length)) };
    this.run = { ...common, upstream: this.upstream, estimator, metrics, linesAtOnce };
  }

  async close(): Promise<void> {
    await this.upstream.close();
    await this.holds.close();
    await this.store.close();
    await this.pool.end();
  }
}

export const CALLER: CallerKey = {
  ...{ keyId: 'key_1', accountId: 'acct_1', mode: 'live', status: 'active' },
  ...{ models: null, requestsPerMinute: null, tokensPerMinute: null, concurrency: null },
};

/** A line of an input file that asks for a chat. */
export function chatLine(customId: string, content = 'hi', change: object = {}, body: object = {}): string {
  return JSON.stringify({
    custom_id: customId,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'gpt-test', messages: [{ role: 'user', content }], max_tokens: 100, ...body },
    ...change,
  });
}

/** An upstream's answer; 10 tokens in, of which 4 were cached, and 5 out, unless told otherwise. */
export function chatAnswer(content: string, input = 10, output = 5): string {
  return JSON.stringify(
    {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'upstream-model',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input + output,
        prompt_tokens_details: { cached_tokens: 4 },
      },
    },
    null,
    2,
  );
}
