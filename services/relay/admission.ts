import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { encode, type EncodedEvent } from '../../events/codec.ts';
import { deriveId } from '../../events/ids.ts';
import { formatPicos } from '../../events/money.ts';
import type { RequestAccepted } from '../../events/request/request.events.ts';
import { quotaPeriodOf } from '../billing/period.ts';
import { rateUpperBound } from '../billing/rating/rate.ts';
import { ApiError } from '../http/errors.ts';
import { parseSecret } from '../keys/secret.ts';
import { toInstant, type Runtime } from '../runtime.ts';
import { Acceptance } from './acceptance.ts';
import type { RelayCall } from './call.ts';
import { presentedKey, USUAL_PLACES, type KeyPlaces } from './http/presentedKey.ts';
import type {
  CallerKey,
  Channel,
  HoldLedger,
  HoldRefusal,
  KeyLookup,
  PriceLookup,
  Protocol,
  RateDecision,
  RateLimiter,
  Router,
  Settlements,
} from './ports.ts';
import type { AdmittedCall } from './settle.ts';
import { boundsAt, ratedTokens, type SizedBounds } from './usage/attachments.ts';

export interface AdmissionParts {
  readonly keys: KeyLookup;
  readonly prices: PriceLookup;
  readonly router: Router;
  readonly limiter: RateLimiter;
  readonly holds: HoldLedger;
  readonly settlements: Settlements;
  readonly runtime: Runtime;
  /** A hold lives this long; longer than any call. */
  readonly holdMs: number;
}

export interface Admitted extends AdmittedCall {
  readonly channels: readonly Channel[];
  readonly rate: RateDecision;
  readonly acceptance: Pick<Acceptance, 'standsAlone'>;
  readonly acceptedEvent: EncodedEvent;
}

/** What admission asks of a call. */
export type AdmissibleCall = Pick<RelayCall, 'route' | 'model' | 'streamed' | 'raw' | 'bounds'>;

/** The earlier call that holds this Idempotency-Key. */
export interface Repeated {
  readonly repeats: string;
}

/** Everything between a parsed request and its upstream: may this caller have this call, at what price, within which limits? */
export class Admission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** The caller's key. Throws ApiError 401 or 403. */
  authenticate(
    headers: IncomingHttpHeaders,
    query: URLSearchParams = new URLSearchParams(),
    places: KeyPlaces = USUAL_PLACES,
  ): CallerKey {
    const presented = presentedKey(headers, query, places);
    if (presented === null) throw new ApiError('missing_api_key');
    const secret = parseSecret(presented);
    const key = secret && this.#parts.keys.find(secret.hash, this.#parts.runtime.clock.now());
    if (!key) throw new ApiError('invalid_api_key');
    if (key.status === 'disabled') throw new ApiError('key_disabled');
    if (key.status === 'expired') throw new ApiError('key_expired');
    return key;
  }

  /**
   * Prices the call, checks rate limits and takes its hold, which keeps `RequestAccepted`. The hold is durable when this
   * resolves. Throws ApiError on every refusal; refused calls cost nothing.
   */
  async admit(
    key: CallerKey,
    call: AdmissibleCall,
    requestId: string,
    idempotencyKey: string | null,
  ): Promise<Admitted | Repeated> {
    const { prices, router, limiter, holds, settlements, runtime, holdMs } = this.#parts;
    if (settlements.nearFull) throw new ApiError('service_unavailable', { retryAfterMs: 5_000 });
    const now = runtime.clock.now();
    const priced = prices.find(call.model, now);
    if (!priced) throw new ApiError('model_not_found', { param: 'model' });
    if (key.models && !key.models.has(call.model) && !key.models.has(priced.model))
      throw new ApiError('model_not_allowed', { param: 'model' });
    const channels = router.candidates(call.model, key.mode);
    if (channels.length === 0) throw new ApiError('no_channel', { retryAfterMs: 5_000 });

    const bounds = withUnseen(call.bounds(priced.maxOutputTokens), channels);
    const heldTokens = bounds.inputTokens + bounds.outputTokens;
    const rate = await limiter.take(key.keyId, key, ratedTokens(bounds));
    if (!rate.allowed) throw new ApiError('rate_limit_exceeded', { retryAfterMs: rate.retryAfterMs });

    const heldPicos = rateUpperBound(priced.price, bounds);
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
      model: call.model,
      route: call.route,
      streamed: call.streamed,
      mode: key.mode,
      priceVersion: priced.priceVersion,
      currency: priced.currency,
      quotaPeriod: quotaPeriodOf(now),
      heldTokens,
      heldPicos: heldPicos.toString(),
    };
    const encoded = encode(accepted);
    const decision = await holds.take({
      requestId,
      keyId: key.keyId,
      accountId: key.accountId,
      period: accepted.quotaPeriod,
      tokens: heldTokens,
      picos: heldPicos,
      currency: priced.currency,
      deadline: now + holdMs,
      accepted: encoded,
      idempotency: idempotencyKey === null ? null : { keyHash: sha256(idempotencyKey), bodyHash: sha256(call.raw) },
    });
    if (!decision.granted) {
      if (decision.refusal.reason === 'idempotency' && decision.refusal.sameBody) {
        return { repeats: decision.refusal.requestId };
      }
      throw refusalError(decision.refusal);
    }
    const acceptance = new Acceptance(requestId, encoded, settlements, runtime);
    return { accepted, acceptedEvent: encoded, acceptance, priced, bounds, channels, rate };
  }
}

/** Protocols of platforms that put more before a model than the call says. */
const AGENT_PROTOCOLS: ReadonlySet<Protocol> = new Set(['fastgpt', 'dify', 'coze']);
/**
 * Input tokens that a hold allows for what cannot be seen from here: an agent's instructions, its knowledge, the
 * conversation that the platform keeps, and every further call that a flow makes. A bill above the hold is cut to it.
 */
const UNSEEN_INPUT_TOKENS = 32_768;

/** The bounds of a call as far as they depend on the channels that may serve it: what a client names may be any model. */
export function withUnseen(bounds: SizedBounds, channels: readonly Channel[]): SizedBounds {
  const seen = boundsAt(
    bounds,
    channels.map(({ upstreamModel }) => upstreamModel),
  );
  if (!channels.some(({ protocol }) => AGENT_PROTOCOLS.has(protocol))) return seen;
  return { ...seen, inputTokens: seen.inputTokens + UNSEEN_INPUT_TOKENS };
}

function sha256(text: string | Buffer): string {
  return hash('sha256', text);
}

export function refusalError(refusal: HoldRefusal): ApiError {
  switch (refusal.reason) {
    case 'concurrency':
      return new ApiError('concurrency_exceeded', { retryAfterMs: 1_000, extra: { limit: refusal.limit } });
    case 'unknown_scope':
      return new ApiError('service_unavailable', { retryAfterMs: 1_000 });
    case 'idempotency':
      return new ApiError('idempotency_mismatch');
    case 'quota': {
      const show = refusal.meter === 'tokens' ? String : formatPicos;
      return new ApiError('insufficient_quota', {
        extra: {
          limit_source: refusal.scope,
          meter: refusal.meter,
          limit: show(refusal.limit),
          used: show(refusal.used),
          held: show(refusal.held),
        },
      });
    }
  }
}
