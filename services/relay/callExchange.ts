import { hash } from 'node:crypto';
import { totalTokens } from '../../events/meters.ts';
import type { Attempt } from '../../events/request/request.events.ts';
import { variantIn } from '../billing/rating/card.ts';
import { ApiError } from '../http/errors.ts';
import type { Runtime } from '../runtime.ts';
import type { Admitted } from './admission.ts';
import type { Passage, RelayCall } from './call.ts';
import { answerHeaders, costHeaders } from './http/answerHeaders.ts';
import type { ClientConnection, GoneReason } from './http/clientConnection.ts';
import { machineWord } from './machineWord.ts';
import type { Channel, HoldLedger, RelayMetrics, Router, Settlements, TokenEstimator, Upstream } from './ports.ts';
import { classifyFailure, type Verdict } from './routing/classify.ts';
import { reportVerdict } from './routing/router.ts';
import { NOTHING_USED, type Ending, type MeasuredUsage, type Settlement } from './settle.ts';
import { settleDurably } from './settling.ts';
import { UpstreamAttempt, type AttemptResult } from './upstreamAttempt.ts';
import { measureUsage } from './usage/measureUsage.ts';
import { NOTHING_REPORTED, type ReportedUsage } from './usage/reported.ts';

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
  /** From the admission of a call to the end of its last attempt, all that is read for nobody included; less than a hold. */
  readonly totalMs: number;
}

/**
 * An admitted call from its first attempt to its last byte. It ends in exactly one settlement, and the settlement is
 * durable before the whole answer, or the end of a streamed one, goes out.
 */
export class CallExchange {
  readonly #parts: ExchangeParts;
  readonly #admitted: Admitted;
  readonly #call: RelayCall;
  readonly #client: ClientConnection;
  readonly #requestId: string;
  readonly #startedAt: number;
  readonly #deadline: number;
  readonly #headers: readonly string[];
  readonly #attempts: Attempt[] = [];
  #firstOutputAt: number | null = null;
  /** One settlement was begun: whatever happens to it, there is no second. */
  #settling = false;

  constructor(parts: ExchangeParts, admitted: Admitted, call: RelayCall, client: ClientConnection) {
    const { clock } = parts.runtime;
    this.#parts = parts;
    this.#admitted = admitted;
    this.#call = call;
    this.#client = client;
    this.#requestId = admitted.accepted.requestId;
    this.#startedAt = clock.monotonic();
    this.#deadline = this.#startedAt + parts.totalMs;
    this.#headers = answerHeaders(client.face.dialect, this.#requestId, admitted.rate, clock.now());
  }

  async run(): Promise<void> {
    const { timers } = this.#parts.runtime;
    const cancelCommit = this.#call.streamed
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
    let blocked = NOTHING_USED;
    const { channels } = this.#admitted;
    for (let at = 0, channel = channels[at]; channel && !this.#isOver(); channel = channels[at]) {
      at += 1;
      const pending = this.#passage(channel);
      const passage = pending instanceof Promise ? await this.#whileWanted(pending) : pending;
      if (passage === null || this.#isOver()) break;
      if ('code' in passage) {
        verdict ??= passage;
        continue;
      }
      const attempt = new UpstreamAttempt(channel, passage, this.#client, this.#headers, this.#parts.runtime);
      const result = await attempt.run(this.#parts.upstream, this.#requestId, this.#deadline);
      this.#attempts.push(attempt.record(this.#attempts.length + 1));
      this.#firstOutputAt = attempt.firstOutputAt;
      this.#tellRouter(channel, result);
      if (result.kind !== 'refused') {
        await this.#finish(channel, attempt, result);
        return;
      }
      verdict = result.verdict;
      if (result.again === true) {
        at -= 1;
        continue;
      }
      if (verdict.code === 'content_filter') blocked = usedBy(result.reported);
      if (!verdict.failOver) break;
    }
    const { gone } = this.#client;
    if (gone) await this.#settleAborted(gone, null, NOTHING_USED);
    else await this.#refuse(verdict ?? classifyFailure({ kind: 'timeout' }), blocked);
  }

  /** No attempt begins any more. */
  #isOver(): boolean {
    return this.#client.gone !== null || this.#parts.runtime.clock.monotonic() >= this.#deadline;
  }

  /** Null as soon as nobody or no time is left: fetching what a call names by URL may take minutes. */
  #whileWanted<T>(pending: Promise<T>): Promise<T | null> {
    const { clock, timers } = this.#parts.runtime;
    const unwanted = Promise.withResolvers<null>();
    const cancel = timers.after(this.#deadline - clock.monotonic(), () => unwanted.resolve(null));
    this.#client.whenGone(() => unwanted.resolve(null));
    return Promise.race([pending, unwanted.promise]).finally(cancel);
  }

  /** A channel whose protocol cannot carry the call is passed over; the next one may. */
  #passage(channel: Channel): Passage | Verdict | Promise<Passage | Verdict> {
    const { accepted, priced } = this.#admitted;
    try {
      const passage = this.#call.passage(channel, {
        requestId: this.#requestId,
        createdAt: Math.floor(Date.parse(accepted.occurredAt) / 1_000),
        maxOutputTokens: priced.maxOutputTokens,
        isPriced: (variant) => variantIn(priced.price, variant) !== null,
        // Few protocols want it.
        get endUser() {
          return hash('sha256', accepted.accountId).slice(0, 32);
        },
      });
      return passage instanceof Promise ? passage.catch(verdictOf) : passage;
    } catch (error) {
      return verdictOf(error);
    }
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
    const { reading } = result;
    const { received } = attempt;
    const nothing = isFree(result, attempt, this.#client.gone);
    const reported = result.kind === 'left' ? withPrompt(reading?.reported, this.#call) : result.reading.reported;
    const whole = result.kind === 'answered' || received.finished || reading?.done === true;
    const variant = reading?.variant ?? this.#call.variant ?? null;
    const measured = nothing
      ? NOTHING_USED
      : { ...(await measureUsage(reported, received, this.#call, this.#parts.estimator, whole)), variant };
    switch (result.kind) {
      case 'answered':
        await this.#complete(measured, result);
        return;
      case 'cut':
        await this.#cut(measured, result.verdict);
        return;
      case 'left':
        await this.#settleAborted(this.#client.gone ?? 'client_gone', nothing ? null : channel.clientGone, measured);
    }
  }

  async #complete(measured: MeasuredUsage, { reading }: Extract<AttemptResult, { kind: 'answered' }>): Promise<void> {
    const settlement = await this.#settle(measured, {
      type: 'RequestCompleted',
      finishReason: machineWord(reading.received.finishReason, 64),
    });
    const { currency } = this.#admitted.priced;
    const last = reading.ending({ usage: settlement.usage, picos: settlement.picos, currency });
    if (this.#call.streamed) {
      this.#client.beginStream(this.#headers, reading.contentType);
      this.#client.end(last);
    } else {
      this.#client.send(200, reading.contentType, [...this.#headers, ...costHeaders(settlement.picos, currency)], last);
    }
  }

  async #cut(measured: MeasuredUsage, verdict: Verdict): Promise<void> {
    const error = verdictError(verdict);
    await this.#settle(measured, { type: 'RequestFailed', code: error.code, httpStatus: 200 });
    this.#client.fail(error, this.#requestId);
  }

  /** No channel gave output: nothing is charged, but for what a provider bills of a prompt that it has blocked. */
  async #refuse(verdict: Verdict, blocked: MeasuredUsage): Promise<void> {
    const error = verdictError(verdict);
    await this.#settle(blocked, { type: 'RequestFailed', code: error.code, httpStatus: error.status });
    this.#client.fail(error, this.#requestId);
  }

  async #settleAborted(reason: GoneReason, policy: 'cancel' | 'drain' | null, measured: MeasuredUsage): Promise<void> {
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

  #settle(measured: MeasuredUsage, ending: Ending): Promise<Settlement> {
    this.#settling = true;
    return settleDurably(this.#parts, this.#admitted, {
      measured,
      attempts: this.#attempts,
      ending,
      startedAt: this.#startedAt,
      firstOutputAt: this.#firstOutputAt,
      streamed: this.#call.streamed,
    });
  }
}

/**
 * Whether nobody owes anything: nothing was sent or it was refused, nothing had come when the upstream broke off, or nothing
 * had come or been forwarded when we stopped.
 */
function isFree(
  result: Exclude<AttemptResult, { kind: 'refused' }>,
  { received, firstOutputAt }: UpstreamAttempt,
  gone: GoneReason | null,
): boolean {
  switch (result.kind) {
    case 'answered':
      return false;
    case 'cut':
      return received.isEmpty && totalTokens(result.reading.reported.output ?? {}) === 0;
    case 'left':
      return result.free || (gone === 'shutdown' && (received.isEmpty || firstOutputAt === null));
  }
}

/** The prompt was used, whatever else was: also on the meters that count no tokens, where the provider did not state them. */
function withPrompt(reported: ReportedUsage = NOTHING_REPORTED, call: RelayCall): ReportedUsage {
  return { ...reported, other: { ...call.promptToCount().other, ...reported.other } };
}

export function usedBy(reported: ReportedUsage = NOTHING_REPORTED): MeasuredUsage {
  const usage = { ...reported.input, ...reported.output };
  return totalTokens(usage) === 0 ? NOTHING_USED : { usage, source: 'reported' };
}

export function verdictError(verdict: Verdict): ApiError {
  return new ApiError(verdict.code, {
    ...(verdict.retryAfterMs === null ? {} : { retryAfterMs: verdict.retryAfterMs }),
    ...(verdict.message === null ? {} : { detail: verdict.message }),
    ...(verdict.param === undefined ? {} : { param: verdict.param }),
  });
}

/** What a channel cannot carry is no fault of the channel. */
export function verdictOf(error: unknown): Verdict {
  if (!(error instanceof ApiError)) throw error;
  const { code, message, retryAfterMs, param } = error;
  return { code, message, retryAfterMs, failOver: true, cool: 'none', coolMs: null, ...(param !== null && { param }) };
}
