import type { IncomingMessage, ServerResponse } from 'node:http';
import { StoreUnavailable } from '../../events/eventStore.ts';
import { formatPicos } from '../../events/money.ts';
import { ApiError } from '../http/errors.ts';
import { Roster } from '../roster.ts';
import type { Admission } from './admission.ts';
import { usageCounts, usageWithCost } from './chat/usageCost.ts';
import { parseChatRequest, type ChatRequest } from './chat/chatRequest.ts';
import { ChatExchange, type ExchangeParts } from './chatExchange.ts';
import { ClientConnection, type ClientLimits } from './http/clientConnection.ts';
import { costHeaders } from './http/openaiHeaders.ts';
import { readBody } from './http/readBody.ts';
import type { Outcome, OutcomeReader } from './ports.ts';

export interface ChatRelayParts extends ExchangeParts {
  readonly admission: Admission;
  readonly outcomes: OutcomeReader;
  readonly limits: ClientLimits & {
    readonly maxBodyBytes: number;
    readonly maxBodyDepth: number;
    readonly maxInFlight: number;
  };
}

/** `POST /v1/chat/completions`, from the socket to the last byte. Knows which calls are running, so that it can drain. */
export class ChatRelay {
  readonly #parts: ChatRelayParts;
  readonly #running = new Roster<ClientConnection>();
  readonly #idle = Promise.withResolvers<undefined>();
  #draining = false;

  constructor(parts: ChatRelayParts) {
    this.#parts = parts;
  }

  /** Never throws and never rejects: whatever happens is answered or logged. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { runtime, limits } = this.#parts;
    void this.#answer(request, new ClientConnection(response, limits, runtime.timers), runtime.ids.uuid());
  };

  get inFlight(): number {
    return this.#running.size;
  }

  /** Refuses new calls, lets running ones go on for `graceMs`, then ends and settles the rest. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const cancel = this.#parts.runtime.timers.after(graceMs, () => {
      for (const client of this.#running.all()) client.leave('shutdown');
    });
    if (this.#running.size > 0) await this.#idle.promise;
    cancel();
  }

  async #answer(request: IncomingMessage, client: ClientConnection, requestId: string): Promise<void> {
    const { metrics } = this.#parts;
    this.#running.add(client);
    metrics.inFlight(1);
    try {
      await this.#run(request, client, requestId);
    } catch (error) {
      this.#answerError(error, client, requestId);
    } finally {
      this.#running.remove(client);
      metrics.inFlight(-1);
      if (this.#draining && this.#running.size === 0) this.#idle.resolve(undefined);
    }
  }

  async #run(request: IncomingMessage, client: ClientConnection, requestId: string): Promise<void> {
    const { admission, limits } = this.#parts;
    if (this.#draining || this.#running.size > limits.maxInFlight) {
      throw new ApiError('service_unavailable', { retryAfterMs: 1_000 });
    }
    const key = admission.authenticate(request.headers);
    const raw = await readBody(request, limits.maxBodyBytes, client);
    const chat = parseChatRequest(raw, limits.maxBodyDepth);
    const admitted = await admission.admit(key, chat, requestId, idempotencyKey(request, chat));
    if ('repeats' in admitted) await this.#replay(key.accountId, admitted.repeats, client, requestId);
    else await new ChatExchange(this.#parts, admitted, chat, client).run();
  }

  /** A repeated Idempotency-Key gets the reference of the stored outcome: no second call, no second charge, no stored text. */
  async #replay(accountId: string, earlierId: string, client: ClientConnection, requestId: string): Promise<void> {
    const outcome = await this.#parts.outcomes.find(accountId, earlierId);
    if (!outcome || outcome.status === 'accepted') throw new ApiError('idempotency_in_flight', { retryAfterMs: 1_000 });
    client.sendJson(
      200,
      ['x-request-id', requestId, 'idempotency-replayed', 'true', ...costHeaders(outcome.picos, outcome.currency)],
      outcomeReference(earlierId, outcome),
    );
  }

  #answerError(error: unknown, client: ClientConnection, requestId: string): void {
    const { runtime, metrics } = this.#parts;
    const told = asApiError(error);
    if (told.code === 'internal_error') runtime.log.error({ error, requestId }, 'a call failed inside the relay');
    metrics.callRefused(told.code);
    client.fail(told, requestId);
  }
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreUnavailable) {
    return new ApiError('service_unavailable', { retryAfterMs: 1_000, cause: error });
  }
  return new ApiError('internal_error', { cause: error });
}

function idempotencyKey(request: IncomingMessage, chat: ChatRequest): string | null {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || key.length === 0 || key.length > 255) {
    throw new ApiError('invalid_request', { detail: 'Idempotency-Key must have 1 to 255 characters.' });
  }
  if (chat.streamed) {
    throw new ApiError('invalid_request', { detail: 'Idempotency-Key needs a call that is not streamed.' });
  }
  return key;
}

/** A chat completion without choices: which request answered, how it ended, and what it cost. */
function outcomeReference(requestId: string, outcome: Outcome): string {
  const reference = {
    id: requestId,
    object: 'chat.completion',
    created: Math.floor(Date.parse(outcome.acceptedAt) / 1_000),
    model: outcome.model,
    choices: [],
    outcome: {
      request_id: requestId,
      status: outcome.status,
      amount: formatPicos(outcome.picos),
      currency: outcome.currency,
    },
  };
  const stated = usageWithCost(usageCounts(outcome.usage ?? {}), outcome.picos, outcome.currency);
  return `${JSON.stringify(reference).slice(0, -1)},"usage":${stated}}`;
}
