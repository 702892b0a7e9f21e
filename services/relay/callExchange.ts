import { totalTokens } from '../../events/meters.ts';
import type { Attempt } from '../../events/request/request.events.ts';
import { ApiError } from '../http/errors.ts';
import type { Runtime } from '../runtime.ts';
import { outputLimit, type Admitted } from './admission.ts';
import { chunkTemplate } from './chat/chatAnswer.ts';
import { streamEnding, withCost } from './chat/chatReply.ts';
import type { ChatRequest } from './chat/chatRequest.ts';
import { measureUsage } from './chat/measureUsage.ts';
import { atPath, readUsage } from './chat/reportedUsage.ts';
import { upstreamBody } from './chat/upstreamBody.ts';
import type { ClientConnection } from './http/clientConnection.ts';
import { costHeaders, rateHeaders } from './http/openaiHeaders.ts';
import type { Channel, HoldLedger, RelayMetrics, Router, Settlements, TokenEstimator, Upstream } from './ports.ts';
import { machineWord } from './machineWord.ts';
import { reportVerdict } from './routing/router.ts';
import type { Verdict } from './routing/classify.ts';
import { NOTHING_USED, settle, type Ending, type MeasuredUsage, type Settlement } from './settle.ts';
import { UpstreamAttempt, type AttemptResult } from './upstreamAttempt.ts';

export interface ExchangeParts {
  readonly upstream: Upstream;
  readonly router: Router;
  readonly holds: HoldLedger;
  readonly settlements: Settlements;
  readonly estimator: TokenEstimator;
  readonly metrics: RelayMetrics;
  readonly runtime: Runtime;
  /** A stream whose upstream is silent this long gets its status line, so that nobody on the way gives up. */
  readonly commitAfterMs: number;
}

/**
 * An admitted call from its first attempt to its last byte. It ends in exactly one settlement, and the settlement is
 * durable before the JSON body, the usage chunk or `[DONE]` goes out.
 */
export class ChatExchange {
  readonly #parts: ExchangeParts;
  readonly #admitted: Admitted;
  readonly #request: ChatRequest;
  readonly #client: ClientConnection;
  readonly #requestId: string;
  readonly #startedAt: number;
  readonly #headers: readonly string[];
  readonly #attempts: Attempt[] = [];
  #firstOutputAt: number | null = null;
  /** One settlement was begun: whatever happens to it, there is no second. */
  #settling = false;

  constructor(parts: ExchangeParts, admitted: Admitted, request: ChatRequest, client: ClientConnection) {
    this.#parts = parts;
    this.#admitted = admitted;
    this.#request = request;
    this.#client = client;
    this.#requestId = admitted.accepted.requestId;
    this.#startedAt = parts.runtime.clock.monotonic();
    this.#headers = ['x-request-id', this.#requestId, ...rateHeaders(admitted.rate)];
  }

  async run(): Promise<void> {
    const { timers } = this.#parts.runtime;
    const cancelCommit = this.#request.streamed
      ? timers.after(this.#parts.commitAfterMs, () => this.#client.promiseStream(this.#headers))
      : null;
    try {
      await this.#attemptChannels();
    } catch (error) {
      await this.#settleBroken(error);
      throw error;
    } finally {
      cancelCommit?.();
    }
  }

  async #attemptChannels(): Promise<void> {
    let verdict: Verdict | null = null;
    for (const channel of this.#admitted.channels) {
      if (this.#client.gone) break;
      const attempt = new UpstreamAttempt(channel, this.#request, this.#client, this.#headers, this.#parts.runtime);
      const result = await attempt.run(this.#parts.upstream, this.#bodyFor(channel), this.#upstreamHeaders());
      this.#attempts.push(attempt.record(this.#attempts.length + 1));
      this.#firstOutputAt = attempt.firstOutputAt;
      this.#tellRouter(channel, result);
      if (result.kind !== 'refused') {
        await this.#finish(channel, attempt, result);
        return;
      }
      verdict = result.verdict;
      if (!verdict.failOver) break;
    }
    if (verdict && !this.#client.gone) await this.#refuse(verdict);
    else await this.#settleAborted(this.#client.gone ?? 'client_gone', null, NOTHING_USED);
  }

  #bodyFor(channel: Channel): Buffer {
    const maxOutput = outputLimit(this.#request, this.#admitted.priced.maxOutputTokens);
    return upstreamBody(this.#request, channel.upstreamModel, channel.quirks, maxOutput);
  }

  #upstreamHeaders(): Record<string, string> {
    const accept = this.#request.streamed ? 'text/event-stream' : 'application/json';
    return { 'content-type': 'application/json', accept, 'x-request-id': this.#requestId };
  }

  #tellRouter(channel: Channel, result: AttemptResult): void {
    const { router } = this.#parts;
    if (result.kind === 'answered') router.succeeded(channel);
    else if (result.kind !== 'left') reportVerdict(router, channel, result.verdict);
  }

  async #finish(
    channel: Channel,
    attempt: UpstreamAttempt,
    result: Exclude<AttemptResult, { kind: 'refused' }>,
  ): Promise<void> {
    const stated =
      result.kind === 'answered' && result.answer
        ? (atPath(result.answer.body, channel.quirks.usagePath) ?? result.answer.body['usage'])
        : result.stream?.usage;
    const reported = readUsage(stated, channel.quirks);
    const nothing = result.kind === 'cut' && attempt.received.isEmpty && totalTokens(reported.output ?? {}) === 0;
    const whole = result.kind === 'answered' || attempt.received.finished || result.stream?.done === true;
    const measured = nothing
      ? NOTHING_USED
      : await measureUsage(reported, attempt.received, this.#request.body, this.#parts.estimator, whole);
    switch (result.kind) {
      case 'answered':
        await this.#complete(measured, attempt, result, stated);
        return;
      case 'cut':
        await this.#cut(measured, result.verdict);
        return;
      case 'left':
        await this.#settleAborted(this.#client.gone ?? 'client_gone', channel.clientGone, measured);
    }
  }

  async #complete(
    measured: MeasuredUsage,
    attempt: UpstreamAttempt,
    result: Extract<AttemptResult, { kind: 'answered' }>,
    stated: unknown,
  ): Promise<void> {
    const settlement = await this.#settle(measured, {
      type: 'RequestCompleted',
      finishReason: machineWord(attempt.received.finishReason, 64),
    });
    const { currency } = this.#admitted.priced;
    if (this.#request.streamed) {
      const template = result.stream?.template ?? chunkTemplate(result.answer?.body ?? {}, this.#request.model);
      this.#client.beginStream(this.#headers);
      this.#client.end(streamEnding(this.#request, template, stated, settlement, currency));
    } else if (result.answer) {
      const body = withCost(result.answer, this.#request.model, stated, settlement, currency);
      this.#client.sendJson(200, [...this.#headers, ...costHeaders(settlement.picos, currency)], body);
    }
  }

  async #cut(measured: MeasuredUsage, verdict: Verdict): Promise<void> {
    const error = verdictError(verdict);
    await this.#settle(measured, { type: 'RequestFailed', code: error.code, httpStatus: 200 });
    this.#client.fail(error, this.#requestId);
  }

  /** No channel gave output: nothing is charged. */
  async #refuse(verdict: Verdict): Promise<void> {
    const error = verdictError(verdict);
    await this.#settle(NOTHING_USED, { type: 'RequestFailed', code: error.code, httpStatus: error.status });
    this.#client.fail(error, this.#requestId);
  }

  async #settleAborted(
    reason: 'client_gone' | 'client_stalled' | 'shutdown',
    policy: 'cancel' | 'drain' | null,
    measured: MeasuredUsage,
  ): Promise<void> {
    await this.#settle(measured, { type: 'RequestAborted', reason, policy });
    if (reason === 'client_gone') return;
    this.#client.fail(new ApiError('service_unavailable', { retryAfterMs: 1_000 }), this.#requestId);
  }

  /** A fault of ours costs the client nothing; without this its hold and slot would stay until the reaper comes. */
  async #settleBroken(error: unknown): Promise<void> {
    if (this.#settling) return;
    const { runtime } = this.#parts;
    runtime.log.error({ error, requestId: this.#requestId }, 'a call broke inside the relay and is not charged');
    await this.#settle(NOTHING_USED, { type: 'RequestFailed', code: 'internal_error', httpStatus: 500 });
  }

  /**
   * The second durable point. The concurrency slot is free afterwards, whatever happened; where nothing was used, the
   * client may try again with the same Idempotency-Key.
   */
  async #settle(measured: MeasuredUsage, ending: Ending): Promise<Settlement> {
    this.#settling = true;
    const { settlements, holds, metrics, runtime } = this.#parts;
    const latencyMs = runtime.clock.monotonic() - this.#startedAt;
    const settlement = settle(this.#admitted, measured, this.#attempts, ending, {
      now: runtime.clock.now(),
      latencyMs,
      firstByteMs: this.#firstOutputAt === null ? null : this.#firstOutputAt - this.#startedAt,
    });
    try {
      const alone = this.#admitted.acceptance.standsAlone();
      await settlements.append(alone && (await alone) ? settlement.append : this.#withAccepted(settlement.append));
    } finally {
      holds.freeSlot(this.#requestId);
    }
    if (measured.source === 'none') holds.forgetIdempotency(this.#requestId);
    if (settlement.clamped) {
      metrics.anomaly('usage_above_hold');
      runtime.log.warn({ requestId: this.#requestId, measured: measured.usage }, 'usage above its hold was cut to it');
    }
    metrics.callEnded(ending.type, this.#request.streamed, latencyMs / 1_000);
    metrics.tokens(settlement.usage);
    return settlement;
  }

  #withAccepted(append: Settlement['append']): Settlement['append'] {
    return { ...append, expected: 'no_stream', events: [this.#admitted.acceptedEvent, ...append.events] };
  }
}

function verdictError(verdict: Verdict): ApiError {
  return new ApiError(verdict.code, {
    ...(verdict.retryAfterMs === null ? {} : { retryAfterMs: verdict.retryAfterMs }),
    ...(verdict.message === null ? {} : { detail: verdict.message }),
  });
}
