import express from 'express';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { channelSettings } from '../../../infra/config/channels.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { MemoryRateLimiter } from '../../../infra/memory/rateLimiter.ts';
import { clientUpgrades, type ClientUpgradesOptions } from '../../../infra/realtime/clientUpgrades.ts';
import { WebSocketUpstream } from '../../../infra/realtime/webSocketUpstream.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { decode, type DomainEvent } from '../../../events/codec.ts';
import type { UsageVector } from '../../../events/meters.ts';
import { createHttpServer } from '../../../services/http/server.ts';
import { parseSecret, mintSecret } from '../../../services/keys/secret.ts';
import type { CallerKey, HoldDecision, HoldLedger, HoldRequest } from '../../../services/relay/ports.ts';
import { Intake } from '../../../services/relay/http/intake.ts';
import { Realtime, type RealtimeParts } from '../../../services/relay/realtime/realtime.ts';
import { ChannelRouter } from '../../../services/relay/routing/router.ts';
import { appendSettlement } from '../../../services/relay/settlement/appendSettlement.ts';
import { LIVE_ACCOUNT, PRICE_VERSION } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { wordEstimator } from '../../unit/relay/chatFixtures.ts';
import { connect, Peer } from './peers.ts';

export const MODEL = 'gpt-realtime';
const PRICE = {
  meters: {
    uncachedInput: 4_000_000,
    cacheRead: 400_000,
    audioInput: 32_000_000,
    outputText: 16_000_000,
    audioOutput: 64_000_000,
  },
};

/** Holds with a limit on how many may be open at once, and on how many may ever be taken. */
export class CountedHolds implements HoldLedger {
  readonly open = new Set<string>();
  taken: HoldRequest[] = [];
  concurrency = Infinity;
  quota = Infinity;
  /** What taking waits for. */
  before: () => Promise<unknown> = () => Promise.resolve();

  async take(hold: HoldRequest): Promise<HoldDecision> {
    await this.before();
    return this.#decide(hold);
  }

  #decide(hold: HoldRequest): HoldDecision {
    if (this.open.size >= this.concurrency) {
      return { granted: false, refusal: { reason: 'concurrency', limit: this.concurrency } };
    }
    if (this.taken.length >= this.quota) {
      const amounts = { limit: 1n, used: 1n, held: 0n };
      return { granted: false, refusal: { reason: 'quota', scope: 'key', meter: 'tokens', ...amounts } };
    }
    this.taken.push(hold);
    this.open.add(hold.requestId);
    return { granted: true };
  }

  freeSlot(requestId: string): void {
    this.open.delete(requestId);
  }

  forgetIdempotency(): void {
    // Sessions have no Idempotency-Key.
  }
}

export interface HarnessSetting {
  readonly channels: readonly {
    readonly baseUrl: string;
    readonly models?: Readonly<Record<string, string>> | '*';
    readonly apiKey?: string;
  }[];
  readonly mode?: 'live' | 'test';
  readonly parts?: Partial<RealtimeParts>;
  readonly frames?: ClientUpgradesOptions;
  readonly channel?: {
    readonly protocol?: 'claude';
    readonly clientGone?: 'cancel' | 'drain';
    readonly timeouts?: { readonly connectMs: number };
  };
}

/** How one response, or one hold without one, was settled. */
export interface Settled {
  readonly model: string;
  readonly usage: UsageVector;
  readonly source: string;
  readonly amountPicos: string;
  readonly channel: string | null;
  /** Type of the terminal event, then its reason or code. */
  readonly ended: readonly [string, string | null];
}

/** A relay for realtime sessions on real sockets, with memory behind it. */
export async function startRealtime(setting: HarnessSetting) {
  const runtime = systemRuntime(silentLog);
  const { secret, secretHash } = mintSecret('live', runtime.random);
  if (!parseSecret(secret)) throw new Error('the secret is not well-formed');
  const mode = setting.mode ?? 'live';
  let key: CallerKey | null = {
    keyId: 'key_1',
    accountId: LIVE_ACCOUNT,
    mode,
    status: 'active',
    models: null,
    requestsPerMinute: null,
    tokensPerMinute: null,
    concurrency: null,
  };
  const channels = setting.channels.map(({ baseUrl, models = '*', apiKey }, index) =>
    channelSettings(
      {
        name: `channel-${String(index + 1)}`,
        baseUrl,
        models: models === '*' ? '*' : { ...models },
        mode,
        priority: index,
        ...(apiKey !== undefined && { apiKeyEnv: 'UPSTREAM_KEY' }),
        ...setting.channel,
      },
      { UPSTREAM_KEY: apiKey },
    ),
  );
  const store = new MemoryEventStore();
  const holds = new CountedHolds();
  const anomalies: string[] = [];
  const realtime = new Realtime({
    keys: { find: (hash) => (hash === secretHash ? key : null) },
    prices: {
      find: (model) =>
        model === 'unknown'
          ? null
          : { model, currency: 'USD', priceVersion: PRICE_VERSION, price: PRICE, maxOutputTokens: 4_096 },
      models: () => [],
    },
    router: new ChannelRouter(channels, runtime),
    limiter: new MemoryRateLimiter(),
    holds,
    settlements: { append: (append) => appendSettlement(store, append), nearFull: false },
    estimator: wordEstimator,
    metrics: {
      callEnded: () => undefined,
      callRefused: () => undefined,
      tokens: () => undefined,
      anomaly: (kind) => anomalies.push(kind),
      inFlight: () => undefined,
    },
    runtime,
    holdMs: 600_000,
    intake: new Intake(0, 0),
    upstream: new WebSocketUpstream(channels),
    allowedOrigins: [],
    maxSessions: 100,
    ...setting.parts,
  });
  const server = createHttpServer(express(), [], 1_000, runtime.ids, clientUpgrades(realtime, setting.frames));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${String(port)}/v1/realtime`;

  return {
    url,
    port,
    secret,
    realtime,
    holds,
    anomalies,
    setKey(change: Partial<CallerKey> | null) {
      key = change === null || key === null ? null : { ...key, ...change };
    },
    /** Connects with the key; throws when refused. */
    async client(query = `?model=${MODEL}`): Promise<Peer> {
      const client = await connect(url + query, { headers: { authorization: `Bearer ${secret}` } });
      if (!(client instanceof Peer)) throw new Error(`refused: ${String(client.status)} ${client.body}`);
      return client;
    },
    /** What was settled, in the order of acceptance. Each hold must be there once. */
    async settled(): Promise<Settled[]> {
      const { events } = await store.readAll({ after: 0n, limit: 10_000 });
      const decoded = events.map((event) => decode(event)).filter((event) => event !== null);
      return holds.taken.map(({ requestId }) => settledOf(decoded, requestId));
    },
    async close(): Promise<void> {
      await realtime.drain(0);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
export type RealtimeHarness = Awaited<ReturnType<typeof startRealtime>>;

function settledOf(events: readonly DomainEvent[], requestId: string): Settled {
  const own = events.filter((event) => event.correlationId === requestId);
  const types = own.map(({ type }) => type);
  const [accepted, usage, ended] = own;
  if (own.length !== 3 || accepted?.type !== 'RequestAccepted' || usage?.type !== 'UsageRecorded' || !ended) {
    throw new Error(`not one settlement: ${types.join(', ')}`);
  }
  return {
    model: usage.model,
    usage: usage.usage,
    source: usage.source,
    amountPicos: usage.amountPicos,
    channel: usage.channel,
    ended: [ended.type, wordOf(ended)],
  };
}

function wordOf(event: DomainEvent): string | null {
  if (event.type === 'RequestCompleted') return event.finishReason;
  if (event.type === 'RequestFailed') return event.code;
  return event.type === 'RequestAborted' ? event.reason : null;
}

/** The usage object of a response, all text unless said otherwise. */
export function usageOf(input: number, output: number, details: Readonly<Record<string, unknown>> = {}) {
  return { total_tokens: input + output, input_tokens: input, output_tokens: output, ...details };
}

export function done(id: string, change: Readonly<Record<string, unknown>> = {}) {
  return { type: 'response.done', response: { id, status: 'completed', status_details: null, output: [], ...change } };
}
