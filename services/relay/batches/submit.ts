import { hash } from 'node:crypto';
import { encode } from '../../../events/codec.ts';
import { deriveId, requestStream } from '../../../events/ids.ts';
import type { RequestAccepted } from '../../../events/request/request.events.ts';
import { quotaPeriodOf } from '../../billing/period.ts';
import { rateUpperBound } from '../../billing/rating/rate.ts';
import type { Library } from '../../files/library.ts';
import type { StoredFile } from '../../files/ports.ts';
import { ApiError } from '../../http/errors.ts';
import { toInstant, type Runtime } from '../../runtime.ts';
import { refusalError, withUnseen } from '../admission.ts';
import type { RelayCall } from '../call.ts';
import type { CallerKey, PricedModel, PriceLookup, RateLimiter, Router } from '../ports.ts';
import { assertLinear, BATCH_VARIANT } from './batchPrice.ts';
import type { Batch, BatchQueue, Endpoint, NewBatch } from './ports.ts';
import { operationOf, readBatch, type BatchContent, type LineSetting } from './readBatch.ts';
import { writeDown, type WriteDownParts } from './writeDown.ts';

export interface SubmitParts extends WriteDownParts {
  readonly queue: BatchQueue;
  readonly prices: PriceLookup;
  readonly router: Router;
  readonly limiter: RateLimiter;
  readonly lines: LineSetting;
}

/** A client's wish, read. */
export interface BatchWish {
  readonly inputFileId: string;
  readonly endpoint: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly filesKeptMs: number;
  readonly idempotency: { readonly key: string; readonly body: string } | null;
}

/** OpenAI's only window. */
export const WINDOW_MS = 86_400_000;
/** The hold belongs to this process until the batch is written down, which takes moments. */
const UNTIL_WRITTEN_MS = 60_000;

/**
 * Takes a batch in: reads the whole input, prices it, holds what all its lines may use together, and writes it down. The
 * hold is durable before the batch is, and the batch before this resolves. Throws ApiError or StoreUnavailable; what is not
 * taken in costs nothing.
 */
export async function submitBatch(parts: SubmitParts, key: CallerKey, wish: BatchWish): Promise<Batch> {
  const { library, settlements, limiter, runtime } = parts;
  if (settlements.nearFull) throw new ApiError('service_unavailable', { retryAfterMs: 5_000 });
  const input = await inputFile(library, key, wish.inputFileId);
  const target = operationOf(parts.lines, wish.endpoint);
  const { allowed, retryAfterMs } = await limiter.take(key.keyId, key, 0);
  if (!allowed) throw new ApiError('rate_limit_exceeded', { retryAfterMs });
  const pricing = new Pricing(parts, key);
  const content = await readBatch(
    await library.content(input),
    target,
    key,
    (call) => pricing.boundsOf(call),
    parts.lines,
  );
  const batch = newBatch(target.endpoint, key, wish, content, pricing.of(content.model), runtime);
  const repeated = await hold(parts, batch, wish.idempotency);
  if (repeated !== null) return earlier(parts, key.accountId, repeated);
  await writeDown(parts, input, batch);
  await begin(parts, batch);
  return {
    ...batch,
    status: 'in_progress',
    ...{ cancellingAt: null, finalizingAt: null, endedAt: null, ending: null },
    ...{ completed: 0, failed: 0, usage: null, outputFileId: null, errorFileId: null },
  };
}

async function inputFile(library: Library, { accountId }: CallerKey, id: string): Promise<StoredFile> {
  const file = await library.find(accountId, id);
  if (file.purpose === 'batch') return file;
  const detail = 'input_file_id: the file must have been uploaded with the purpose "batch"';
  throw new ApiError('invalid_request', { detail, param: 'input_file_id' });
}

/** One model has one price for the whole batch, found with its first line. */
class Pricing {
  readonly #parts: SubmitParts;
  readonly #key: CallerKey;
  readonly #now: number;
  #priced: { readonly model: string; readonly price: PricedModel } | null = null;

  constructor(parts: SubmitParts, key: CallerKey) {
    this.#parts = parts;
    this.#key = key;
    this.#now = parts.runtime.clock.now();
  }

  boundsOf(call: RelayCall) {
    const { maxOutputTokens } = this.of(call.model);
    return withUnseen(call.bounds(maxOutputTokens), this.#parts.router.candidates(call.model, this.#key.mode));
  }

  /** Throws ApiError for a model that this key cannot use in a batch. */
  of(model: string): PricedModel {
    if (this.#priced?.model === model) return this.#priced.price;
    const { prices, router } = this.#parts;
    const { mode, models } = this.#key;
    const price = prices.find(model, this.#now);
    if (!price) throw new ApiError('model_not_found', { param: 'model' });
    if (models && !models.has(model) && !models.has(price.model)) {
      throw new ApiError('model_not_allowed', { param: 'model' });
    }
    const served = router.models(mode);
    if (served && !served.has(model) && router.candidates(model, mode).length === 0) {
      throw new ApiError('no_channel', { retryAfterMs: 5_000 });
    }
    assertLinear(price.price);
    this.#priced = { model, price };
    return price;
  }
}

function newBatch(
  endpoint: Endpoint,
  key: CallerKey,
  wish: BatchWish,
  { model, lines, bounds }: BatchContent,
  priced: PricedModel,
  { clock, ids }: Runtime,
): NewBatch {
  const now = clock.now();
  const requestId = ids.uuid();
  const heldTokens = bounds.inputTokens + bounds.outputTokens;
  if (!Number.isSafeInteger(heldTokens)) throw new ApiError('insufficient_quota');
  const accepted: RequestAccepted = {
    type: 'RequestAccepted',
    version: 1,
    eventId: deriveId(requestId, 0, 'RequestAccepted'),
    occurredAt: toInstant(now),
    accountId: key.accountId,
    correlationId: requestId,
    causationId: null,
    requestId,
    keyId: key.keyId,
    model,
    route: '/v1/batches',
    streamed: false,
    mode: key.mode,
    priceVersion: priced.priceVersion,
    currency: priced.currency,
    quotaPeriod: quotaPeriodOf(now),
    heldTokens,
    heldPicos: rateUpperBound(priced.price, bounds, BATCH_VARIANT).toString(),
  };
  const { accountId, keyId, mode } = key;
  const { inputFileId, metadata, filesKeptMs } = wish;
  return {
    ...{ id: `batch_${requestId.replaceAll('-', '')}`, requestId, accountId, keyId, mode, endpoint, model },
    ...{ inputFileId, copyId: fileIdOf(requestId, 'input'), metadata, filesKeptMs, lines },
    ...{ createdAt: now, expiresAt: now + WINDOW_MS, priced, bounds, accepted: encode(accepted) },
  };
}

/** Files of a batch have ids that follow from it, so that whoever makes them again makes the same ones. */
export function fileIdOf(requestId: string, role: 'input' | 'output' | 'error'): string {
  return `file-${deriveId(requestId, 'batch', role).replaceAll('-', '')}`;
}

/** Null when the hold is taken; the earlier request when this Idempotency-Key has one of the same body. */
async function hold(
  { holds }: SubmitParts,
  batch: NewBatch,
  idempotency: BatchWish['idempotency'],
): Promise<string | null> {
  const { requestId, keyId, accountId, bounds, priced, createdAt, accepted } = batch;
  const decision = await holds.take({
    ...{ requestId, keyId, accountId, accepted, currency: priced.currency },
    period: quotaPeriodOf(createdAt),
    tokens: bounds.inputTokens + bounds.outputTokens,
    picos: rateUpperBound(priced.price, bounds, BATCH_VARIANT),
    deadline: createdAt + UNTIL_WRITTEN_MS,
    idempotency: idempotency && {
      keyHash: hash('sha256', idempotency.key),
      bodyHash: hash('sha256', idempotency.body),
    },
  });
  // A batch is no call in flight.
  if (decision.granted) {
    holds.freeSlot(requestId);
    return null;
  }
  if (decision.refusal.reason === 'idempotency' && decision.refusal.sameBody) return decision.refusal.requestId;
  throw refusalError(decision.refusal);
}

/**
 * Where a process was killed before its batch was written down, the reaper settles its hold, and the client may submit
 * again. Before that, the batch may still come.
 */
async function earlier({ records, holds }: SubmitParts, accountId: string, requestId: string): Promise<Batch> {
  const batch = await records.findOfRequest(accountId, requestId);
  if (batch) return batch;
  if (await records.cameToNothing(requestId)) holds.forgetIdempotency(requestId);
  throw new ApiError('idempotency_in_flight', { retryAfterMs: 1_000 });
}

/** Neither failure loses anything: the settlement carries the acceptance, and unfinished batches are asked for again. */
async function begin({ settlements, queue, runtime }: SubmitParts, batch: NewBatch): Promise<void> {
  const stream = requestStream(batch.requestId);
  try {
    await settlements.append({ stream, expected: 'no_stream', events: [batch.accepted] });
    await queue.request(batch.id);
  } catch (error) {
    runtime.log.warn({ error, batch: batch.id }, 'a batch was not begun at once; it will be');
  }
}
