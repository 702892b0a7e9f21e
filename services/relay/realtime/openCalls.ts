import type { Attempt } from '../../../events/request/request.events.ts';
import { ApiError, type ErrorCode } from '../../http/errors.ts';
import type { Runtime } from '../../runtime.ts';
import { Admission, type AdmissionParts, type Admitted } from '../admission.ts';
import { machineWord } from '../machineWord.ts';
import type { CallerKey, Channel, TokenEstimator } from '../ports.ts';
import { NOTHING_USED, type Ending, type MeasuredUsage, type Settlement } from '../settle.ts';
import { settleDurably, type SettlingParts } from '../settling.ts';
import type { AudioTokenMs } from './audio.ts';
import { leftEnding, UNUSED, type Leaving } from './endings.ts';
import type { FrameLook } from './frameLook.ts';
import { OpenCall } from './openCall.ts';
import { onlyChannel, realtimeCall } from './realtimeCall.ts';

export interface OpenCallsParts extends AdmissionParts, SettlingParts {
  readonly runtime: Runtime;
  readonly estimator: TokenEstimator;
  readonly audioTokenMs: AudioTokenMs;
  /** The context window: no call reads more, so each hold covers this. */
  readonly maxInputTokens: number;
}

/**
 * The next hold comes moments after a settlement, and what that has freed may not be visible yet: the quota projection
 * is as far behind as its events take. Milliseconds to wait before asking again.
 */
const ASK_AGAIN_MS = [100, 300, 600];
const MAY_BE_BEHIND: ReadonlySet<ErrorCode> = new Set(['insufficient_quota', 'concurrency_exceeded']);
/** Ids of settled calls that are remembered, so that none is settled twice. */
const REMEMBERED = 64;

/**
 * The calls of a session with one model: each has a hold before it may begin and ends in one settlement. Holds stand
 * ready, because with voice detection the upstream begins by itself.
 */
export class OpenCalls {
  readonly model: string;
  readonly #parts: OpenCallsParts;
  readonly #authenticate: () => CallerKey;
  #admission: Admission;
  readonly #standing: OpenCall[] = [];
  readonly #running = new Map<string, OpenCall>();
  readonly #settled = new Set<string>();
  #channel: Channel | null = null;
  #dialled: Attempt[] = [];

  constructor(parts: OpenCallsParts, model: string, authenticate: () => CallerKey) {
    this.#parts = parts;
    this.model = model;
    this.#authenticate = authenticate;
    this.#admission = new Admission(parts);
  }

  get runningIds(): readonly string[] {
    return [...this.#running.keys()];
  }

  /** Holds that nothing has begun with. */
  get standing(): number {
    return this.#standing.length;
  }

  /** It runs or has ended. */
  knows(id: string): boolean {
    return this.#running.has(id) || this.#settled.has(id);
  }

  /** Takes a hold and tells which channels may serve it. Throws ApiError or StoreUnavailable. */
  async take(): Promise<Admitted> {
    const { ids, clock } = this.#parts.runtime;
    const call = realtimeCall(this.model, this.#parts.maxInputTokens);
    const admitted = await this.#admission.admit(this.#authenticate(), call, ids.uuid(), null);
    if ('repeats' in admitted) throw new Error('a call without an Idempotency-Key repeats nothing');
    this.#standing.push(new OpenCall(admitted, clock.monotonic()));
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

  /** Null when it is known already. Throws as `take` when no hold stands ready and none can be had. */
  async begin(id: string): Promise<OpenCall | null> {
    if (this.knows(id)) return null;
    if (this.#standing.length === 0) await this.take();
    const open = this.#standing.shift();
    if (open) this.#running.set(id, open);
    return open ?? null;
  }

  /** A piece of the call of this id; without an id, of the one that began first. */
  received(id: string | null, look: FrameLook): void {
    const open = this.#running.get(id ?? '') ?? this.#running.values().next().value;
    if (open?.meter.add(look)) open.firstOutputAt ??= this.#parts.runtime.clock.monotonic();
  }

  /** What ran under this id, for its settlement, which must follow. Null when it was settled before, or never began. */
  end(id: string): OpenCall | null {
    const open = this.#running.get(id);
    if (!open) return null;
    this.#running.delete(id);
    this.#remember(id);
    return open;
  }

  /** `outcome` of the attempt. Rejects when the settlement became durable nowhere. */
  settle(
    open: OpenCall,
    measured: MeasuredUsage,
    ending: Ending,
    outcome: Attempt['outcome'] | null,
    id: string | null,
  ): Promise<Settlement> {
    const { admitted, startedAt, firstOutputAt } = open;
    const attempts = this.#attempts(outcome, id);
    const times = { startedAt, firstOutputAt };
    return settleDurably(this.#parts, admitted, { measured, attempts, ending, ...times, streamed: true });
  }

  /**
   * After a call: gives back all but `most` of the holds that stand, takes the next one when none is open, and asks
   * again for a while when it is refused. Throws as `take`.
   */
  async stand(most = 1): Promise<void> {
    if (this.#running.size > 0) return;
    await this.giveBack(most);
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

  /** Settles the holds that stand unused, but for the first `most`. Never rejects. */
  async giveBack(most: number, ending: () => Ending = () => UNUSED): Promise<void> {
    for (const open of this.#standing.splice(most)) {
      await this.#attempt(open, () => this.settle(open, NOTHING_USED, ending(), null, null));
    }
  }

  /** Settles what runs as cut; whatever happens to one settlement, the others are made. Never rejects. */
  async settleRunning(leaving: Leaving, measure: (open: OpenCall) => Promise<MeasuredUsage>): Promise<void> {
    const outcome = leaving.by === 'upstream' ? 'cut' : 'cancelled';
    for (const id of this.runningIds) {
      const open = this.end(id);
      if (!open) continue;
      await this.#attempt(open, async () => this.settle(open, await measure(open), leftEnding(leaving), outcome, id));
    }
  }

  /** What cannot be settled, the reaper settles when its deadline has passed. */
  async #attempt({ admitted }: OpenCall, settling: () => Promise<unknown>): Promise<void> {
    try {
      await settling();
    } catch (error) {
      const { requestId } = admitted.accepted;
      this.#parts.runtime.log.error({ error, requestId }, 'a call of a realtime session could not be settled');
    }
  }

  /** Failed dials belong to the first call of the session. */
  #attempts(outcome: Attempt['outcome'] | null, id: string | null): readonly Attempt[] {
    const dialled = this.#dialled;
    this.#dialled = [];
    if (outcome === null || !this.#channel) return dialled;
    const upstreamRequestId = machineWord(id, 128);
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
}
