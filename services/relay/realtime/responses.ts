import { totalTokens } from '../../../events/meters.ts';
import type { Attempt } from '../../../events/request/request.events.ts';
import { ApiError, type ErrorCode } from '../../http/errors.ts';
import type { Runtime } from '../../runtime.ts';
import { Admission, type AdmissionParts, type Admitted } from '../admission.ts';
import { machineWord } from '../machineWord.ts';
import type { CallerKey, Channel, TokenEstimator } from '../ports.ts';
import type { MeasuredUsage, Settlement } from '../settle.ts';
import { settleDurably, type SettlingParts } from '../settling.ts';
import { textIn, type Json } from '../wire/json.ts';
import type { AudioTokenMs } from './audio.ts';
import { doneEnding, leftEnding, unusedEnding, type Leaving } from './endings.ts';
import type { FrameLook } from './frameLook.ts';
import { ContextMeter, measureResponse } from './meters.ts';
import { onlyChannel, realtimeCall } from './realtimeCall.ts';
import { NOTHING_REPORTED } from '../usage/reported.ts';
import { OpenResponse } from './openResponse.ts';
import { readResponseUsage, readTranscriptionUsage } from './reportedUsage.ts';

export interface ResponsesParts extends AdmissionParts, SettlingParts {
  readonly runtime: Runtime;
  readonly estimator: TokenEstimator;
  readonly audioTokenMs: AudioTokenMs;
  /** The context window: no response reads more, so each hold covers this. */
  readonly maxInputTokens: number;
}

/**
 * The next hold comes moments after a settlement, and what that has freed may not be visible yet: the quota projection
 * is as far behind as its events take. Milliseconds to wait before asking again.
 */
const ASK_AGAIN_MS = [100, 300, 600];
const MAY_BE_BEHIND: ReadonlySet<ErrorCode> = new Set(['insufficient_quota', 'concurrency_exceeded']);
/** Ids of settled responses that are remembered, so that none is settled twice. */
const REMEMBERED = 64;

/**
 * The responses of a session as calls of their own: each has a hold before it may begin and ends in one settlement. One
 * hold always stands ready, because with voice detection a response begins without being asked for.
 */
export class Responses {
  readonly context = new ContextMeter();
  readonly #parts: ResponsesParts;
  readonly #model: string;
  readonly #authenticate: () => CallerKey;
  #admission: Admission;
  readonly #standing: OpenResponse[] = [];
  readonly #running = new Map<string, OpenResponse>();
  readonly #settled = new Set<string>();
  /** Asked for by the client, and not begun. */
  #asked = 0;
  #channel: Channel | null = null;
  #dialled: Attempt[] = [];

  constructor(parts: ResponsesParts, model: string, authenticate: () => CallerKey) {
    this.#parts = parts;
    this.#model = model;
    this.#authenticate = authenticate;
    this.#admission = new Admission(parts);
  }

  /** Nothing runs and nothing was asked for. */
  get idle(): boolean {
    return this.#running.size === 0 && this.#asked === 0;
  }

  get runningIds(): readonly string[] {
    return [...this.#running.keys()];
  }

  /** Takes a hold and tells which channels may serve it. Throws ApiError or StoreUnavailable. */
  async take(): Promise<Admitted> {
    const { ids, clock } = this.#parts.runtime;
    const call = realtimeCall(this.#model, this.#parts.maxInputTokens);
    const admitted = await this.#admission.admit(this.#authenticate(), call, ids.uuid(), null);
    if ('repeats' in admitted) throw new Error('a call without an Idempotency-Key repeats nothing');
    this.#standing.push(new OpenResponse(admitted, clock.monotonic()));
    return admitted;
  }

  /** From now on every hold is for this channel, whether or not it cools off for others. */
  connected(channel: Channel, dialled: readonly Attempt[]): void {
    this.#channel = channel;
    this.#dialled = [...dialled];
    this.#admission = new Admission({ ...this.#parts, router: onlyChannel(channel) });
  }

  /** No channel opened; the hold that stands lists who was tried. */
  undialled(attempts: readonly Attempt[]): void {
    this.#dialled = [...attempts];
  }

  /** The client asks for a response, which needs a hold that no other will use. Throws as `take`. */
  async ask(): Promise<void> {
    if (this.#standing.length <= this.#asked) await this.take();
    this.#asked += 1;
  }

  /** The upstream has refused something; if it was a response, its hold is for the next one. */
  refused(): void {
    this.#asked = Math.max(0, this.#asked - 1);
  }

  /** Throws as `take` when a response begins that has no hold. */
  async began(response: Json): Promise<void> {
    const id = textIn(response['id']);
    if (this.#running.has(id) || this.#settled.has(id)) return;
    if (this.#standing.length === 0) await this.take();
    const open = this.#standing.shift();
    if (!open) return;
    this.#running.set(id, open);
    this.refused();
    this.context.began();
  }

  /** A piece of a response. */
  received(look: FrameLook): void {
    const open = this.#running.get(look.raw('response_id') ?? '') ?? first(this.#running);
    if (open?.meter.add(look)) open.firstOutputAt ??= this.#parts.runtime.clock.monotonic();
  }

  /** Audio of the user was transcribed; it is billed with the response that runs or comes next. */
  transcribed(usage: unknown): void {
    const vector = readTranscriptionUsage(usage);
    const open = first(this.#running) ?? this.#standing[0];
    if (vector && open) open.addTranscription(vector);
    else this.#parts.metrics.anomaly(vector ? 'transcription_without_hold' : 'transcription_without_usage');
  }

  /** Settles a response that its upstream calls done. Null when it was settled before, or never had a hold. */
  async done(response: Json, leaving: Leaving | null): Promise<Settlement | null> {
    const id = textIn(response['id']);
    if (!this.#settled.has(id) && !this.#running.has(id)) await this.began(response);
    const open = this.#running.get(id);
    if (!open) return null;
    this.#running.delete(id);
    this.#remember(id);
    const reported = readResponseUsage(response['usage']);
    const { estimator, audioTokenMs } = this.#parts;
    const used = await measureResponse(reported, open.meter, this.context, estimator, audioTokenMs);
    const nothing = response['status'] === 'failed' && used.source !== 'reported' && open.meter.isEmpty;
    const measured = open.withTranscription(nothing ? null : used);
    this.context.ended(measured.source === 'none' ? 0 : totalTokens(used.usage));
    const ending = leaving ? leftEnding(leaving) : doneEnding(response);
    return this.#settle(open, measured, ending, this.#attempts('answered', id));
  }

  /**
   * After a response: takes the next hold when none is open, and asks again for a while when it is refused; gives back
   * those that are left of refused responses. Throws as `take`.
   */
  async stand(): Promise<void> {
    if (this.#running.size > 0) return;
    await this.#settleUnused(this.#standing.splice(Math.max(1, this.#asked)), null);
    if (this.#standing.length > 0) return;
    for (const pauseMs of ASK_AGAIN_MS) {
      try {
        await this.take();
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || !MAY_BE_BEHIND.has(error.code)) throw error;
      }
      await new Promise<void>((resolve) => this.#parts.runtime.timers.after(pauseMs, resolve));
    }
    await this.take();
  }

  /** Replaces a hold that has stood unused before its deadline comes. Throws as `take`. */
  async renew(): Promise<void> {
    if (!this.idle) return;
    await this.#settleUnused(this.#standing.splice(0), null);
    await this.stand();
  }

  /** Settles everything that is open; whatever happens to one settlement, the others are made. Never rejects. */
  async settleAll(leaving: Leaving): Promise<void> {
    for (const [id, open] of this.#running) {
      this.#running.delete(id);
      try {
        await this.#settleCut(id, open, leaving);
      } catch (error) {
        this.#lost(open, error);
      }
    }
    await this.#settleUnused(this.#standing.splice(0), leaving);
  }

  /** Input that led to no output is not charged when the upstream left. */
  async #settleCut(id: string, open: OpenResponse, leaving: Leaving): Promise<void> {
    const { estimator, audioTokenMs } = this.#parts;
    const free = leaving.by === 'upstream' && open.meter.isEmpty;
    const used = free
      ? null
      : await measureResponse(NOTHING_REPORTED, open.meter, this.context, estimator, audioTokenMs);
    const outcome = leaving.by === 'upstream' ? 'cut' : 'cancelled';
    await this.#settle(open, open.withTranscription(used), leftEnding(leaving), this.#attempts(outcome, id));
  }

  /** Null: the session goes on. */
  async #settleUnused(unused: readonly OpenResponse[], leaving: Leaving | null): Promise<void> {
    for (const open of unused) {
      const measured = open.withTranscription(null);
      const asked = leaving !== null && this.#asked > 0;
      if (asked) this.refused();
      const ending = leaving === null ? unusedEnding(measured) : leftEnding(leaving, asked ? null : measured);
      const attempts = this.#attempts(measured.source === 'none' ? null : 'answered', null);
      try {
        await this.#settle(open, measured, ending, attempts);
      } catch (error) {
        this.#lost(open, error);
      }
    }
  }

  #settle(
    open: OpenResponse,
    measured: MeasuredUsage,
    ending: Parameters<typeof settleDurably>[2]['ending'],
    attempts: readonly Attempt[],
  ): Promise<Settlement> {
    const { admitted, startedAt, firstOutputAt } = open;
    return settleDurably(this.#parts, admitted, {
      measured,
      attempts,
      ending,
      startedAt,
      firstOutputAt,
      streamed: true,
    });
  }

  /** Failed dials belong to the first call of the session. */
  #attempts(outcome: Attempt['outcome'] | null, responseId: string | null): readonly Attempt[] {
    const dialled = this.#dialled;
    this.#dialled = [];
    if (outcome === null || !this.#channel) return dialled;
    const upstreamRequestId = machineWord(responseId, 128);
    const number = dialled.length + 1;
    const { name: channel } = this.#channel;
    return [...dialled, { number, channel, outcome, status: 101, upstreamRequestId, costPicos: null }];
  }

  #remember(id: string): void {
    this.#settled.add(id);
    for (const oldest of this.#settled) {
      if (this.#settled.size <= REMEMBERED) return;
      this.#settled.delete(oldest);
    }
  }

  /** The reaper settles it when its deadline has passed. */
  #lost({ admitted }: OpenResponse, error: unknown): void {
    const { requestId } = admitted.accepted;
    this.#parts.runtime.log.error({ error, requestId }, 'a response of a realtime session could not be settled');
  }
}

function first(running: ReadonlyMap<string, OpenResponse>): OpenResponse | undefined {
  for (const open of running.values()) return open;
  return undefined;
}
