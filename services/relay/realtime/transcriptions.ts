import { ApiError } from '../../http/errors.ts';
import type { CallerKey, Channel } from '../ports.ts';
import { NOTHING_USED, type Ending, type MeasuredUsage } from '../settle.ts';
import { textIn, type Json } from '../wire/json.ts';
import type { AudioRates } from './audio.ts';
import { isFaultOfOthers, leftEnding, type Leaving } from './endings.ts';
import type { FrameLook } from './frameLook.ts';
import type { OpenCall } from './openCall.ts';
import { OpenCalls, type OpenCallsParts } from './openCalls.ts';
import { readTranscriptionUsage } from './reportedUsage.ts';
import { SpokenAudio } from './spokenAudio.ts';
import { statedTranscription, TRANSCRIPTION_PARAM } from './transcriptionModel.ts';
import { measureTranscription } from './transcriptionUsage.ts';

const COMPLETED: Ending = { type: 'RequestCompleted', finishReason: 'transcribed' };
const FAILED: Ending = { type: 'RequestFailed', code: 'bad_gateway', httpStatus: 200 };

/**
 * The transcriptions of what the user says, each a call of its own with the model that makes them. While they are on, a
 * hold stands ready as for responses, because the upstream begins one with whatever is committed.
 */
export class Transcriptions {
  readonly #parts: OpenCallsParts;
  readonly #setting: TranscriptionsSetting;
  readonly #spoken = new SpokenAudio();
  /** Of every model that was wanted, since what has begun with one may end after the next is in force. */
  readonly #byModel = new Map<string, OpenCalls>();
  /** What runs upstream and waits for a hold. */
  readonly #waiting = new Map<string, { readonly calls: OpenCalls; readonly heardMs: number }>();
  /** By what the upstream transcribes; null while it does not. */
  #inForce: OpenCalls | null = null;
  /** What the client wanted last, whether or not the upstream has said that it follows; undefined: it never said. */
  #wanted: OpenCalls | null | undefined = undefined;
  /** What ran already when holds were last renewed. */
  #slow: ReadonlySet<string> = new Set();
  #turnedOff = false;

  constructor(parts: OpenCallsParts, setting: TranscriptionsSetting) {
    this.#parts = parts;
    this.#setting = setting;
  }

  /** Nothing is being transcribed. */
  get idle(): boolean {
    return this.#runningIds.length === 0;
  }

  /**
   * The client wants a model, or null for none: its hold is taken before the wish may go up. Throws ApiError or
   * StoreUnavailable.
   */
  async want(model: string | null): Promise<void> {
    this.#wanted = model === null ? null : await this.#heldFor(model);
  }

  /** Takes a frame of the client. */
  said(look: FrameLook): void {
    this.#spoken.add(look);
  }

  /** Where the user's speech begins or ends. */
  heard(event: Json): void {
    this.#spoken.heard(event);
  }

  /**
   * The upstream has said how its session is. Its own word decides whether it transcribes, and ours by what, since it may
   * know a model by another name. False when it transcribes by itself what must not be, and has to be told so.
   */
  async stated(session: Json): Promise<boolean> {
    const stated = statedTranscription(session);
    const before = this.#inForce;
    let allowed = true;
    if (stated === null) this.#inForce = null;
    else if (stated === undefined) this.#inForce = this.#wanted === undefined ? before : this.#wanted;
    else {
      this.#inForce = this.#byModel.get(stated) ?? this.#wanted ?? null;
      if (!this.#inForce) allowed = await this.#takeOver(stated);
    }
    for (const calls of this.#all) if (!this.#isNeeded(calls)) await calls.giveBack(0);
    if (this.#inForce !== before) await this.#inForce?.stand();
    return allowed;
  }

  /**
   * The upstream begins to transcribe what was committed. One that overlaps the one before may have to wait for its slot,
   * and is held for when it ends. Throws as `want` when it has no hold for any other reason.
   */
  async began(event: Json): Promise<void> {
    const heardMs = this.#spoken.commit(this.#setting.rates().input);
    const id = textIn(event['item_id']);
    const calls = this.#callsOf(id);
    if (!calls) return;
    try {
      const open = await calls.begin(id);
      if (open) open.heardMs = heardMs;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'concurrency_exceeded') throw this.#withoutHold(error);
      this.#waiting.set(id, { calls, heardMs });
    }
  }

  /** A piece of a transcript. */
  received(look: FrameLook): void {
    const id = look.raw('item_id') ?? '';
    const calls = this.#callsOf(id);
    if (calls?.knows(id)) calls.received(id, look);
  }

  /** Settles a transcription that its upstream calls complete. Throws as `want` when it has no hold. */
  async completed(event: Json, leaving: Leaving | null): Promise<void> {
    const id = textIn(event['item_id']);
    const calls = this.#callsOf(id);
    if (!calls) {
      this.#withoutHold(id);
      return;
    }
    try {
      const late = await calls.begin(id);
      if (late) late.heardMs = this.#waiting.get(id)?.heardMs ?? 0;
    } catch (error) {
      throw this.#withoutHold(error);
    } finally {
      this.#waiting.delete(id);
    }
    const open = calls.end(id);
    if (!open) return;
    if (open.meter.isEmpty) open.meter.addText(textIn(event['transcript']));
    const measured = await this.#measured(open, event['usage']);
    if (measured.source !== 'reported') this.#parts.metrics.anomaly('transcription_without_usage');
    await calls.settle(open, measured, leaving ? leftEnding(leaving) : COMPLETED, 'answered', id);
  }

  /** Settles a transcription that its upstream calls failed. */
  async failed(event: Json): Promise<void> {
    const id = textIn(event['item_id']);
    const calls = this.#callsOf(id);
    const open = calls?.end(id);
    this.#waiting.delete(id);
    if (!calls || !open) return;
    const measured = open.meter.isEmpty ? NOTHING_USED : await this.#measured(open, null);
    await calls.settle(open, measured, FAILED, 'answered', id);
  }

  /** After one: a hold stands for the next, while they are on. Throws as `want`. */
  async stand(): Promise<void> {
    await this.#inForce?.stand();
  }

  /**
   * Replaces a hold that has stood unused before its deadline comes, and gives up what has run since the last time: its
   * upstream has forgotten to say how it ended. Throws as `want`.
   */
  async renew(): Promise<void> {
    const slow = this.#slow;
    for (const id of slow) await this.failed({ item_id: id });
    for (const calls of this.#all) {
      if (calls.runningIds.length > 0) continue;
      await calls.giveBack(0);
      if (this.#isNeeded(calls)) await calls.stand();
    }
    this.#slow = new Set(this.#runningIds);
  }

  /** Settles everything that is open, and charges for what brought nothing only where the client left. Never rejects. */
  async settleAll(leaving: Leaving): Promise<void> {
    for (const id of this.#waiting.keys()) this.#withoutHold(id);
    for (const calls of this.#all) {
      await calls.settleRunning(leaving, async (open) =>
        open.meter.isEmpty && isFaultOfOthers(leaving) ? NOTHING_USED : this.#measured(open, null),
      );
      await calls.giveBack(0, () => leftEnding(leaving, true));
    }
  }

  get #runningIds(): readonly string[] {
    return [...this.#waiting.keys(), ...this.#all.flatMap(({ runningIds }) => runningIds)];
  }

  get #all(): readonly OpenCalls[] {
    return [...this.#byModel.values()];
  }

  #isNeeded(calls: OpenCalls): boolean {
    return calls === this.#inForce || calls === this.#wanted;
  }

  /** Those that the item belongs to; one that is new belongs to those in force. */
  #callsOf(id: string): OpenCalls | null {
    return this.#waiting.get(id)?.calls ?? this.#all.find((calls) => calls.knows(id)) ?? this.#inForce;
  }

  /** False for a model that the upstream has chosen by itself and for which there can be no hold. */
  async #takeOver(model: string): Promise<boolean> {
    try {
      this.#inForce = await this.#heldFor(model);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const told = this.#turnedOff;
      this.#turnedOff = true;
      return told;
    }
  }

  async #heldFor(model: string): Promise<OpenCalls> {
    const { channel, authenticate } = this.#setting;
    const served = this.#parts.router.models(authenticate().mode);
    if (served?.has(model) === false) throw new ApiError('no_channel', { param: TRANSCRIPTION_PARAM });
    const known = this.#byModel.get(model);
    const calls = known ?? new OpenCalls(this.#parts, model, authenticate);
    if (!known) calls.connected(channel, []);
    try {
      if (calls.standing === 0 && calls.runningIds.length === 0) await calls.take();
    } catch (error) {
      throw error instanceof ApiError ? aboutModel(error) : error;
    }
    this.#byModel.set(model, calls);
    return calls;
  }

  #measured(open: OpenCall, usage: unknown): Promise<MeasuredUsage> {
    const { estimator, audioTokenMs } = this.#parts;
    return measureTranscription(readTranscriptionUsage(usage), open, estimator, audioTokenMs);
  }

  /** Notes what the provider will want to be paid for and we cannot bill. */
  #withoutHold<Cause>(cause: Cause): Cause {
    this.#parts.metrics.anomaly('transcription_without_hold');
    return cause;
  }
}

export interface TranscriptionsSetting {
  readonly channel: Channel;
  readonly authenticate: () => CallerKey;
  /** Of the session's audio, as it is now. */
  readonly rates: () => AudioRates;
}

function aboutModel(error: ApiError): ApiError {
  const { code, message, extra, param } = error;
  return param === 'model' ? new ApiError(code, { detail: message, param: TRANSCRIPTION_PARAM, extra }) : error;
}
