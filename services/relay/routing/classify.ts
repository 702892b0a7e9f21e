import type { ErrorCode } from '../../http/errors.ts';
import type { UpstreamFailure } from '../ports.ts';
import { publicMessage } from './publicMessage.ts';
import { parseRetryAfter, type ResponseHeaders } from './retryAfter.ts';
import { readUpstreamError, type UpstreamError } from './upstreamError.ts';

/** What a failed attempt means for the client, for the next attempt and for the channel. */
export interface Verdict {
  readonly code: ErrorCode;
  /** Whether another channel may do better, provided that nothing has been sent to the client. */
  readonly failOver: boolean;
  /** Effect on the channel: nothing, one more failure in a row, or cooling off at once. */
  readonly cool: 'none' | 'count' | 'now';
  /** With `now`: how long. */
  readonly coolMs: number | null;
  /** When the client may try again, if that is known. */
  readonly retryAfterMs: number | null;
  /** The upstream's own words, redacted; only where the client's request is at fault. */
  readonly message: string | null;
  /** The member of the client's request that is at fault, where it is known. */
  readonly param?: string;
}

/** After a 429 that does not say how long. */
const RATE_LIMIT_COOL_MS = 5_000;
/** A rejected credential or an empty balance needs a person; asking again every five minutes notices the repair. */
const CREDENTIAL_COOL_MS = 300_000;
/** Our own queue was full; it drains within moments. */
const OVERLOAD_RETRY_MS = 1_000;

/**
 * Judges an answer that is not a success: an error status, or an error in disguise under 200. The beginning of the body
 * is enough. An error event inside a stream is judged as `classifyAnswer(200, headers, <its JSON>)`.
 */
export function classifyAnswer(status: number, headers: ResponseHeaders, bodyExcerpt: string): Verdict {
  const error = readUpstreamError(bodyExcerpt);
  return classifyStatus(effectiveStatus(status, error), error, parseRetryAfter(headers));
}

/** Judges a call that got no whole answer. */
export function classifyFailure(failure: UpstreamFailure): Verdict {
  switch (failure.kind) {
    case 'unreachable':
      return verdict('service_unavailable', { cool: 'count' });
    case 'timeout':
      return verdict('gateway_timeout', { cool: 'count' });
    case 'cut':
      return verdict('bad_gateway', { cool: 'count' });
    case 'oversize':
      return verdict('bad_gateway', { cool: 'count', failOver: false });
    case 'overloaded':
      return verdict('service_unavailable', { retryAfterMs: OVERLOAD_RETRY_MS });
    case 'aborted':
      return verdict('service_unavailable', { failOver: false });
  }
}

function classifyStatus(status: number, error: UpstreamError, retryAfterMs: number | null): Verdict {
  if (isOutOfFunds(status, error)) {
    return verdict('service_unavailable', { cool: 'now', coolMs: CREDENTIAL_COOL_MS });
  }
  if (error.tags.includes('model_not_found')) return verdict('model_not_found');
  if (error.tags.some((tag) => CONTENT_TAGS.has(tag))) return clientFault('content_filter', error);
  if (isBadCredential(status, error)) return verdict('bad_gateway', { cool: 'now', coolMs: CREDENTIAL_COOL_MS });
  switch (status) {
    case 404:
    case 410:
      return verdict('model_not_found');
    case 429:
      return verdict('upstream_rate_limited', {
        cool: 'now',
        coolMs: retryAfterMs ?? RATE_LIMIT_COOL_MS,
        retryAfterMs: retryAfterMs ?? RATE_LIMIT_COOL_MS,
      });
    case 408:
    case 504:
    case 522:
    case 524:
      return transient('gateway_timeout', retryAfterMs);
    case 503:
    case 521:
    case 523:
    case 529:
      return transient('service_unavailable', retryAfterMs);
    case 405:
    case 409:
    case 499:
      return transient('bad_gateway', retryAfterMs);
    case 413:
      return clientFault('request_too_large', error);
    default:
      return status >= 400 && status < 500
        ? clientFault('upstream_invalid_request', error)
        : transient('bad_gateway', retryAfterMs);
  }
}

/** A hint from the upstream cools the channel for that long; without one it counts as one failure. */
function transient(code: ErrorCode, retryAfterMs: number | null): Verdict {
  return retryAfterMs === null
    ? verdict(code, { cool: 'count' })
    : verdict(code, { cool: 'now', coolMs: retryAfterMs, retryAfterMs });
}

function clientFault(code: ErrorCode, error: UpstreamError): Verdict {
  return verdict(code, { failOver: false, message: error.message === null ? null : publicMessage(error.message) });
}

/** An error under status 200 is judged by the status or kind that it names itself. */
function effectiveStatus(status: number, error: UpstreamError): number {
  if (status >= 300) return status;
  if (error.innerStatus !== null) return error.innerStatus;
  if (speaksOfFunds(error)) return 402;
  const named = error.tags.map((tag) => STATUS_OF_TAG.get(tag)).find((known) => known !== undefined);
  return named ?? 502;
}

const STATUS_OF_TAG: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['invalid_api_key', 401],
  ['rate_limit_error', 429],
  ['rate_limit_exceeded', 429],
  ['overloaded_error', 503],
  ['api_error', 502],
  ['timeout_error', 504],
  ['not_found_error', 404],
  ['request_too_large', 413],
  ['billing_error', 402],
  ['permission_error', 403],
  ['invalid_argument', 400],
  ['unauthenticated', 401],
  ['resource_exhausted', 429],
  ['unavailable', 503],
  ['deadline_exceeded', 504],
]);

const CONTENT_TAGS = new Set(['content_filter', 'content_policy_violation']);

const FUNDS_TAGS = new Set([
  'insufficient_quota',
  'insufficient_balance',
  'insufficient_user_quota',
  'provider_quota_exceeded',
  'billing_hard_limit_reached',
  'billing_not_active',
]);

function isOutOfFunds(status: number, error: UpstreamError): boolean {
  return status === 402 || (status < 500 && speaksOfFunds(error));
}

/**
 * Words are trusted only at the beginning of the message: further on it may echo the client's own text, and a client
 * must not be able to take a channel out of service.
 */
function speaksOfFunds(error: UpstreamError): boolean {
  const opening =
    /^(your )?(account |credit )*balance is (too low|insufficient)|^insufficient (balance|credits|funds)/i;
  return error.tags.some((tag) => FUNDS_TAGS.has(tag)) || opening.test(error.message ?? '');
}

function isBadCredential(status: number, error: UpstreamError): boolean {
  if (status === 401) return true;
  if (status === 403) return !isModeration(error);
  return status === 400 && (error.tags.includes('api_key_invalid') || /^API key not valid/i.test(error.message ?? ''));
}

/** Some upstreams answer 403 when they dislike the content, which says nothing about our credential. */
function isModeration(error: UpstreamError): boolean {
  const words = /moderation|flagged|content[_ -]?(policy|filter)|responsible_?ai/i;
  return error.tags.some((tag) => words.test(tag)) || words.test((error.message ?? '').slice(0, 200));
}

function verdict(code: ErrorCode, rest: Partial<Omit<Verdict, 'code'>> = {}): Verdict {
  return { code, failOver: true, cool: 'none', coolMs: null, retryAfterMs: null, message: null, ...rest };
}
