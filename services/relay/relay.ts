import type { IncomingMessage, ServerResponse } from 'node:http';
import { asApiError } from '../http/asApiError.ts';
import { ApiError } from '../http/errors.ts';
import { Roster } from '../roster.ts';
import type { Admission } from './admission.ts';
import type { RelayCall } from './call.ts';
import { CallExchange, type ExchangeParts } from './callExchange.ts';
import type { Intake } from './http/intake.ts';
import { ClientConnection, type ClientLimits } from './http/clientConnection.ts';
import { costHeaders } from './http/answerHeaders.ts';
import { readBody } from './http/readBody.ts';
import { incomingOf } from './http/incoming.ts';
import type { Incoming, Operation } from './operation.ts';
import { outcomeReference } from './outcomeReference.ts';
import type { OutcomeReader } from './ports.ts';

export interface RelayParts extends ExchangeParts {
  readonly admission: Admission;
  readonly intake: Intake;
  readonly outcomes: OutcomeReader;
  readonly limits: ClientLimits & {
    readonly maxBodyBytes: number;
    readonly maxInFlight: number;
  };
}

/** Every operation, from the socket to the last byte. Knows which calls are running, so that it can drain. */
export class Relay {
  readonly #parts: RelayParts;
  readonly #running = new Roster<ClientConnection>();
  readonly #idle = Promise.withResolvers<undefined>();
  #draining = false;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** Never throws and never rejects: whatever happens is answered or logged. */
  handle(operation: Operation, request: IncomingMessage, response: ServerResponse): void {
    const { runtime, limits } = this.#parts;
    const incoming = incomingOf(request, operation.path, runtime.ids.uuid());
    const client = new ClientConnection(response, operation.face(incoming), limits, runtime.timers);
    void this.#answer(operation, request, incoming, client);
  }

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

  async #answer(
    operation: Operation,
    request: IncomingMessage,
    incoming: Incoming,
    client: ClientConnection,
  ): Promise<void> {
    const { metrics } = this.#parts;
    this.#running.add(client);
    metrics.inFlight(1);
    try {
      await this.#run(operation, request, incoming, client);
    } catch (error) {
      this.#answerError(error, client, incoming.requestId);
    } finally {
      this.#running.remove(client);
      metrics.inFlight(-1);
      if (this.#draining && this.#running.size === 0) this.#idle.resolve(undefined);
    }
  }

  async #run(
    operation: Operation,
    request: IncomingMessage,
    incoming: Incoming,
    client: ClientConnection,
  ): Promise<void> {
    const { admission, intake, limits } = this.#parts;
    if (this.#draining || this.#running.size > limits.maxInFlight) {
      throw new ApiError('service_unavailable', { retryAfterMs: 1_000 });
    }
    const { requestId } = incoming;
    const key = admission.authenticate(incoming.headers, incoming.query, operation.keyPlaces);
    const place = intake.enter(key);
    try {
      const maxBytes = operation.maxBodyBytes ?? limits.maxBodyBytes;
      const raw = await readBody(request, maxBytes, client, operation.bodyType, place);
      const reading = operation.read(raw, incoming, key);
      const call = reading instanceof Promise ? await reading : reading;
      client.face = call.face ?? client.face;
      const admitted = await admission.admit(key, call, requestId, idempotencyKey(request, call));
      // From here on the call is bounded by its hold.
      place.leave();
      if ('repeats' in admitted) await this.#replay(key.accountId, admitted.repeats, client, requestId);
      else await new CallExchange(this.#parts, admitted, call, client).run();
    } finally {
      place.leave();
    }
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

function idempotencyKey(request: IncomingMessage, call: RelayCall): string | null {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || key.length === 0 || key.length > 255) {
    throw new ApiError('invalid_request', { detail: 'Idempotency-Key must have 1 to 255 characters.' });
  }
  if (call.streamed) {
    throw new ApiError('invalid_request', { detail: 'Idempotency-Key needs a call that is not streamed.' });
  }
  return key;
}
