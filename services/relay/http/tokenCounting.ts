import type { IncomingMessage, ServerResponse } from 'node:http';
import { asApiError } from '../../http/asApiError.ts';
import { ApiError } from '../../http/errors.ts';
import type { Runtime } from '../../runtime.ts';
import type { Admission } from '../admission.ts';
import type { ClientFace, PromptToCount } from '../call.ts';
import type { Incoming } from '../operation.ts';
import type { RateLimiter, TokenEstimator } from '../ports.ts';
import { Intake } from './intake.ts';
import { ClientConnection, type ClientLimits } from './clientConnection.ts';
import { incomingOf } from './incoming.ts';
import type { KeyPlaces } from './presentedKey.ts';
import { readBody } from './readBody.ts';

/** A question how many tokens a prompt has. */
export interface CountOperation {
  readonly path: string;
  readonly keyPlaces: KeyPlaces;
  readonly face: ClientFace;
  /** Throws ApiError. */
  read(raw: Buffer, incoming: Incoming): PromptToCount;
  /** The answer's body. */
  answer(tokens: number): object;
}

export interface TokenCountingParts {
  readonly admission: Admission;
  readonly limiter: RateLimiter;
  readonly estimator: TokenEstimator;
  readonly runtime: Runtime;
  readonly limits: ClientLimits & { readonly maxBodyBytes: number };
}

/** Counting is free, so keys without a limit of their own get this one; agents ask before every turn. */
const COUNTS_PER_MINUTE = 600;
/** Of all prompts that are in memory to be counted. */
const MOST_BYTES = 67_108_864;

/**
 * Answers how many tokens a prompt has by our own estimate: no upstream, no hold, no charge, and rate limits, places and
 * memory of its own beside those of calls.
 */
export class TokenCounting {
  readonly #parts: TokenCountingParts;
  readonly #intake: Intake;

  constructor(parts: TokenCountingParts) {
    this.#parts = parts;
    this.#intake = new Intake(MOST_BYTES, parts.limits.maxBodyBytes);
  }

  /** Never throws and never rejects. */
  handle(operation: CountOperation, request: IncomingMessage, response: ServerResponse): void {
    const { runtime, limits } = this.#parts;
    const incoming = incomingOf(request, operation.path, runtime.ids.uuid());
    const client = new ClientConnection(response, operation.face, limits, runtime.timers);
    this.#answer(operation, request, incoming, client).catch((error: unknown) => {
      const told = asApiError(error);
      if (told.code === 'internal_error') runtime.log.error({ error }, 'tokens could not be counted');
      client.fail(told, incoming.requestId);
    });
  }

  async #answer(
    operation: CountOperation,
    request: IncomingMessage,
    incoming: Incoming,
    client: ClientConnection,
  ): Promise<void> {
    const { admission, limiter, estimator, limits } = this.#parts;
    const key = admission.authenticate(incoming.headers, incoming.query, operation.keyPlaces);
    const requestsPerMinute = key.requestsPerMinute ?? COUNTS_PER_MINUTE;
    const rate = await limiter.take(`count:${key.keyId}`, { requestsPerMinute, tokensPerMinute: null }, 0);
    if (!rate.allowed) throw new ApiError('rate_limit_exceeded', { retryAfterMs: rate.retryAfterMs });
    const place = this.#intake.enter(key);
    try {
      const raw = await readBody(request, limits.maxBodyBytes, client, 'json', place);
      const { texts, overhead } = operation.read(raw, incoming);
      const counted = await estimator.count(texts);
      const tokens = counted.reduce((sum, count) => sum + count, overhead);
      client.sendJson(200, ['x-request-id', incoming.requestId], JSON.stringify(operation.answer(tokens)));
    } finally {
      place.leave();
    }
  }
}
