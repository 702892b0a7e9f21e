import type { EncodedEvent } from '../../events/codec.ts';
import type { Mode } from '../../events/envelope.ts';
import type { Append } from '../../events/eventStore.ts';
import type { Meter, UsageVector } from '../../events/meters.ts';
import type { Currency, Picos } from '../../events/money.ts';
import type { ModelPrice } from '../../events/pricebook/pricebook.events.ts';
import type { FetchedMedia } from './canonical/inlineMedia.ts';

/** What a call may use at most, taken before its upstream is called. */
export interface HoldRequest {
  readonly requestId: string;
  readonly keyId: string;
  readonly accountId: string;
  /** UTC month, `2026-11`. */
  readonly period: string;
  readonly tokens: number;
  readonly picos: Picos;
  readonly currency: Currency;
  /** Epoch milliseconds after which the reaper settles the hold. */
  readonly deadline: number;
  /** The encoded `RequestAccepted`; kept in the hold so that the reaper can append it if the relay dies before it does. */
  readonly accepted: EncodedEvent;
  readonly idempotency: { readonly keyHash: string; readonly bodyHash: string } | null;
}

export type HoldRefusal =
  /** `used + held + new` would pass the limit of this scope. Amounts are tokens or picos by `meter`. */
  | {
      readonly reason: 'quota';
      readonly scope: 'key' | 'account';
      readonly meter: 'tokens' | Currency;
      readonly limit: bigint;
      readonly used: bigint;
      readonly held: bigint;
    }
  | { readonly reason: 'concurrency'; readonly limit: number }
  /** The quota read model does not know the key or account yet. */
  | { readonly reason: 'unknown_scope' }
  | { readonly reason: 'idempotency'; readonly requestId: string; readonly sameBody: boolean };

export type HoldDecision = { readonly granted: true } | { readonly granted: false; readonly refusal: HoldRefusal };

/** Quota reserved before the upstream call. The adapter owns batching; `take` resolves after its commit. Throws StoreUnavailable. */
export interface HoldLedger {
  take(hold: HoldRequest): Promise<HoldDecision>;
  /** The call has ended, so its concurrency slot is free; its quota stays held until the quota projection settles it. Best effort, never throws. */
  freeSlot(requestId: string): void;
  /** Lets the same Idempotency-Key run again, after a call that charged nothing. Best effort, never throws. */
  forgetIdempotency(requestId: string): void;
}

/** Requests and tokens per minute, checked before a hold; a refused call costs nothing. */
export interface RateLimiter {
  take(
    keyId: string,
    limits: { requestsPerMinute: number | null; tokensPerMinute: number | null },
    tokens: number,
  ): Promise<RateDecision>;
}
export interface RateDecision {
  readonly allowed: boolean;
  readonly retryAfterMs: number;
  /** State for `x-ratelimit-*`; null where there is no limit. */
  readonly requests: RateState | null;
  readonly tokens: RateState | null;
}
export interface RateState {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}

/** Quirks of an OpenAI-like upstream. */
export interface ChannelQuirks {
  readonly supportsStreamOptions: boolean;
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens';
  readonly supportsDeveloperRole: boolean;
  readonly supportsParallelTools: boolean;
  readonly reasoningField: string;
  /** Dotted path of the usage object in an answer or chunk. */
  readonly usagePath: string;
  readonly usageExcludesReasoning: boolean;
  readonly stripsParams: readonly string[];
}

/** What a channel speaks. */
export const PROTOCOLS = ['openai', 'claude', 'gemini', 'ollama', 'fastgpt', 'dify', 'coze'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** One upstream endpoint that can serve a model. */
export interface Channel {
  readonly name: string;
  readonly protocol: Protocol;
  /** The provider's name for the model; for Coze the bot's id. */
  readonly upstreamModel: string;
  readonly quirks: ChannelQuirks;
  readonly clientGone: 'cancel' | 'drain';
  readonly drainMaxMs: number;
  readonly timeouts: { readonly firstByteMs: number; readonly idleMs: number; readonly totalMs: number };
  /** What the operator pays; null where the operator has not said. */
  readonly cost: ChannelCost | null;
}

export interface ChannelCost {
  readonly currency: Currency;
  /** A meter without a cost of its own costs nothing. */
  readonly perMillionTokensMicroUnits: Readonly<Partial<Record<Meter, number>>>;
}

export interface UpstreamRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Appended to the channel's base URL; may have a query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
}

export interface UpstreamCall {
  readonly channel: Channel;
  readonly request: UpstreamRequest;
  /** Milliseconds from now; a channel's own `totalMs` counts where it is less. */
  readonly totalMs?: number;
}

/** What arrives from an upstream, in this order: head, data…, end; or failed instead of the rest at any point. */
export interface UpstreamSink {
  head(status: number, headers: Readonly<Record<string, string | readonly string[] | undefined>>): void;
  /** Returns false to ask for a pause; `UpstreamExchange.resume` goes on. */
  data(chunk: Buffer): boolean;
  end(): void;
  failed(failure: UpstreamFailure): void;
}
export type UpstreamFailure = {
  readonly kind: 'unreachable' | 'timeout' | 'cut' | 'aborted' | 'overloaded' | 'oversize';
  readonly cause?: unknown;
};
export interface UpstreamExchange {
  /** The request has begun to leave; before that, nobody can bill it. Stays as it is when the call ends. */
  readonly sent: boolean;
  resume(): void;
  /** Nothing more is wanted. An end that follows within a second leaves the connection to others, else this is an `abort`. */
  release(): void;
  /** Closes the upstream socket; `failed({kind:'aborted'})` follows. */
  abort(): void;
}

/** Sends one call. Owns connection pools, its bounded queue and the channel's timeouts (monotonic). */
export interface Upstream {
  send(call: UpstreamCall, sink: UpstreamSink): UpstreamExchange;
}

/** Gets what a client names by URL, for protocols that carry bytes only. Throws ApiError `invalid_request`. */
export interface MediaFetcher {
  fetch(url: string): Promise<FetchedMedia>;
}

/** Which channels may serve a model, best first, and how they have fared. */
export interface Router {
  /** At most `maxAttempts` channels that are not cooling off; empty when none serves the model in this mode. */
  candidates(model: string, mode: 'live' | 'test'): readonly Channel[];
  /** Models with at least one channel in this mode. Null: the mode serves every priced model. */
  models(mode: 'live' | 'test'): ReadonlySet<string> | null;
  succeeded(channel: Channel): void;
  failed(channel: Channel, retryAfterMs: number | null): void;
}

/** Counts tokens of texts off the event loop, for usage that no provider reported. */
export interface TokenEstimator {
  /** Tokens of each text, in order. Never rejects: past its bounds it falls back to a formula over characters. */
  count(texts: readonly string[]): Promise<readonly number[]>;
}

/** What the relay needs to know of the key that a caller presents. */
export interface CallerKey {
  readonly keyId: string;
  readonly accountId: string;
  readonly mode: Mode;
  readonly status: 'active' | 'disabled' | 'expired';
  /** Null: every priced model. */
  readonly models: ReadonlySet<string> | null;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  /** Calls at the same time. */
  readonly concurrency: number | null;
}

/** The in-memory index of keys; follows events, so a revoked key is refused within a second everywhere. */
export interface KeyLookup {
  find(secretHash: string, nowMs: number): CallerKey | null;
}

/** A model with the price that is in force. */
export interface PricedModel {
  readonly model: string;
  readonly currency: Currency;
  readonly priceVersion: string;
  readonly price: ModelPrice['price'];
  readonly maxOutputTokens: number;
}

export interface PriceLookup {
  find(model: string, nowMs: number): PricedModel | null;
  models(nowMs: number): readonly PricedModel[];
}

/** Where settlements become durable: the event store, or a local fsynced journal while the store cannot be reached. */
export interface Settlements {
  /** Resolves when durable. Rejects only when neither place could take it. */
  append(append: Append): Promise<unknown>;
  /** The journal is nearly full: admission must stop. */
  readonly nearFull: boolean;
}

/** How a request ended, for a repeated Idempotency-Key. */
export interface Outcome {
  readonly status: 'accepted' | 'completed' | 'failed' | 'aborted';
  readonly usage: UsageVector | null;
  readonly picos: Picos;
  readonly currency: Currency;
  readonly model: string;
  readonly acceptedAt: string;
}
export interface OutcomeReader {
  find(accountId: string, requestId: string): Promise<Outcome | null>;
}

/** Counters of the relay; cheap enough for every call. */
export interface RelayMetrics {
  callEnded(ending: 'RequestCompleted' | 'RequestFailed' | 'RequestAborted', streamed: boolean, seconds: number): void;
  callRefused(code: string): void;
  tokens(usage: UsageVector): void;
  anomaly(kind: string): void;
  inFlight(change: 1 | -1): void;
}
