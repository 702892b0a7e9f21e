import { totalTokens } from '../../../events/meters.ts';
import type { Attempt } from '../../../events/request/request.events.ts';
import type { Admitted } from '../admission.ts';
import type { CallerKey, Channel } from '../ports.ts';
import { NOTHING_USED, type MeasuredUsage, type Settlement } from '../settle.ts';
import { NOTHING_REPORTED, type ReportedUsage } from '../usage/reported.ts';
import { textIn, type Json } from '../wire/json.ts';
import { doneEnding, isFaultOfOthers, leftEnding, type Leaving } from './endings.ts';
import type { FrameLook } from './frameLook.ts';
import { ContextMeter, measureResponse } from './meters.ts';
import type { OpenCall } from './openCall.ts';
import { OpenCalls, type OpenCallsParts } from './openCalls.ts';
import { readResponseUsage } from './reportedUsage.ts';

/** The responses of a session, each a call of its own. */
export class Responses {
  readonly context = new ContextMeter();
  readonly #parts: OpenCallsParts;
  readonly #calls: OpenCalls;
  /** Asked for by the client, and not begun. */
  #asked = 0;

  constructor(parts: OpenCallsParts, model: string, authenticate: () => CallerKey) {
    this.#parts = parts;
    this.#calls = new OpenCalls(parts, model, authenticate);
  }

  /** Nothing runs and nothing was asked for. */
  get idle(): boolean {
    return this.runningIds.length === 0 && this.#asked === 0;
  }

  get runningIds(): readonly string[] {
    return this.#calls.runningIds;
  }

  /** Takes a hold and tells which channels may serve it. Throws ApiError or StoreUnavailable. */
  take(): Promise<Admitted> {
    return this.#calls.take();
  }

  connected(channel: Channel, dialled: readonly Attempt[]): void {
    this.#calls.connected(channel, dialled);
  }

  undialled(attempts: readonly Attempt[]): void {
    this.#calls.undialled(attempts);
  }

  /** The client asks for a response, which needs a hold that no other will use. Throws as `take`. */
  async ask(): Promise<void> {
    if (this.#calls.standing <= this.#asked) await this.take();
    this.#asked += 1;
  }

  /** The upstream has refused something; if it was a response, its hold is for the next one. */
  refused(): void {
    this.#asked = Math.max(0, this.#asked - 1);
  }

  /** Throws as `take` when a response begins that has no hold. */
  async began(response: Json): Promise<void> {
    if (!(await this.#calls.begin(textIn(response['id'])))) return;
    this.refused();
    this.context.began();
  }

  /** A piece of a response. */
  received(look: FrameLook): void {
    this.#calls.received(look.raw('response_id'), look);
  }

  /** Settles a response that its upstream calls done. Null when it was settled before, or never had a hold. */
  async done(response: Json, leaving: Leaving | null): Promise<Settlement | null> {
    const id = textIn(response['id']);
    await this.began(response);
    const open = this.#calls.end(id);
    if (!open) return null;
    const used = await this.#measured(readResponseUsage(response['usage']), open);
    const failed = response['status'] === 'failed' && used.source !== 'reported';
    const free = open.meter.isEmpty && (failed || isFaultOfOthers(leaving));
    this.context.ended(free ? 0 : totalTokens(used.usage));
    const ending = leaving ? leftEnding(leaving) : doneEnding(response);
    return this.#calls.settle(open, free ? NOTHING_USED : used, ending, 'answered', id);
  }

  /** After a response: one hold stands for the next, and one for each that was asked for. Throws as `take`. */
  stand(): Promise<void> {
    return this.#calls.stand(Math.max(1, this.#asked));
  }

  /** Replaces a hold that has stood unused before its deadline comes. Throws as `take`. */
  async renew(): Promise<void> {
    if (!this.idle) return;
    await this.#calls.giveBack(0);
    await this.stand();
  }

  /**
   * Settles everything that is open. Input that led to no output is charged only where the client is why there is none.
   * Never rejects.
   */
  async settleAll(leaving: Leaving): Promise<void> {
    await this.#calls.settleRunning(leaving, async (open) =>
      open.meter.isEmpty && isFaultOfOthers(leaving) ? NOTHING_USED : this.#measured(NOTHING_REPORTED, open),
    );
    await this.#calls.giveBack(0, () => {
      const asked = this.#asked > 0;
      this.refused();
      return leftEnding(leaving, !asked);
    });
  }

  #measured(reported: ReportedUsage, open: OpenCall): Promise<MeasuredUsage> {
    const { estimator, audioTokenMs } = this.#parts;
    return measureResponse(reported, open.meter, this.context, estimator, audioTokenMs);
  }
}
