import { ApiError } from '../../http/errors.ts';
import type { RosterMember } from '../../roster.ts';
import type { Channel } from '../ports.ts';
import { isObject } from '../wire/json.ts';
import { asApiError } from '../../http/asApiError.ts';
import { ClientEvents, type Asked } from './clientEvents.ts';
import { readFrame } from './clientFrames.ts';
import { Dialling, speaksRealtime } from './dialling.ts';
import { relayLeaves, type Leaving } from './endings.ts';
import { closeCodeOf, errorEvent, eventIdOf } from './errorEvent.ts';
import { Flow } from './flow.ts';
import { lookAt } from './frameLook.ts';
import { modelName } from './handshake.ts';
import { Inbox } from './inbox.ts';
import type { FrameSink, FrameSocket, UpstreamFrames } from './ports.ts';
import { Responses } from './responses.ts';
import { Schedule } from './schedule.ts';
import { CLOSE, modelMissing, type Exit, type SessionParts, type SessionSetting } from './sessionParts.ts';
import { simpleError } from './simpleMode.ts';
import { Transcriptions } from './transcriptions.ts';
import { UpstreamEvents, type Shown } from './upstreamEvents.ts';
import { frameText } from './upstreamFrames.ts';

type Later = Promise<void> | undefined;

/**
 * One client's session, from its handshake to the settlement of its last response. Frames go through unparsed where
 * nothing hangs on them; everything happens in the order in which it came, so that no response begins without a hold
 * and none is shown as done before its settlement is durable.
 */
export class RealtimeSession implements FrameSink, RosterMember {
  rosterPlace = -1;
  readonly #parts: SessionParts;
  readonly #setting: SessionSetting;
  readonly #over: () => void;
  readonly #inbox: Inbox;
  /** What the client sends waits for the upstream, and the other way round. */
  readonly #upwards: Flow;
  readonly #downwards: Flow;
  readonly #schedule: Schedule;
  #simple: boolean;
  #model: string | null = null;
  #responses: Responses | null = null;
  /** Null until an upstream has opened. */
  #transcriptions: Transcriptions | null = null;
  #dialling: Dialling | null = null;
  #client: FrameSocket | null = null;
  #upstream: FrameSocket | null = null;
  /** Null until an upstream has opened. */
  #open: { readonly channel: Channel; readonly asked: ClientEvents; readonly answered: UpstreamEvents } | null = null;
  readonly #early: Buffer[] = [];
  #earlyBytes = 0;
  /** The session ends as soon as no response runs. */
  #stopping: Exit | null = null;
  #leaving: Leaving | null = null;
  #finished = false;

  /** `over` is called once, when everything is settled. */
  constructor(parts: SessionParts, setting: SessionSetting, over: () => void) {
    const { timers } = parts.runtime;
    const { stallMs } = parts.times;
    this.#parts = parts;
    this.#setting = setting;
    this.#over = over;
    this.#simple = setting.simple;
    this.#schedule = new Schedule(timers);
    this.#upwards = new Flow(timers, stallMs);
    this.#downwards = new Flow(timers, stallMs);
    const busy = (isBusy: boolean): void => {
      this.#upwards.busy = isBusy;
      this.#downwards.busy = isBusy;
    };
    this.#inbox = new Inbox(busy, (error) => this.#broke(error));
  }

  /** Takes the first hold. Throws ApiError or StoreUnavailable; `abandon` must follow then. */
  async admit(model: string): Promise<void> {
    const responses = new Responses(this.#parts, model, this.#setting.authenticate);
    const { channels, accepted } = await responses.take();
    this.#responses = responses;
    this.#model = model;
    if (!channels.some(speaksRealtime)) {
      throw new ApiError('no_channel', { detail: 'No provider of this model offers realtime sessions.' });
    }
    this.#dialling = new Dialling(this.#parts, channels, accepted.requestId);
  }

  /** There will be no session. Null: the client has left. */
  async abandon(error: ApiError | null): Promise<void> {
    this.#finished = true;
    await this.#responses?.settleAll(error ? { by: 'refused', error } : { by: 'client', policy: null });
    this.#over();
  }

  start(client: FrameSocket): void {
    const { recheckMs, renewMs, firstFrameMs } = this.#parts.times;
    this.#client = client;
    this.#upwards.source = client;
    this.#schedule.every(recheckMs, () => this.#inbox.put(() => this.#recheck()));
    this.#schedule.every(renewMs, () => this.#inbox.put(() => this.#renew()));
    if (this.#model !== null) this.#inbox.put(() => this.#dial());
    else this.#schedule.after(firstFrameMs, () => this.#inbox.put(() => this.#firstFrameMissed()));
  }

  /** The process stops: the client is told, and the session ends when its response does. */
  drain(): void {
    if (!this.#client) return;
    const error = new ApiError('service_unavailable', { detail: 'The relay restarts; connect again.' });
    this.#inbox.put(() => this.#stop({ leaving: relayLeaves(null), error, code: CLOSE.restart }));
  }

  /** The process waits no longer. */
  end(): void {
    if (!this.#client) return;
    this.#inbox.put(() => this.#leave({ leaving: relayLeaves(null), error: null, code: CLOSE.restart }, false));
  }

  frame(bytes: Buffer, isBinary: boolean): void {
    this.#inbox.put(() => this.#fromClient(bytes, isBinary));
  }

  drained(): void {
    this.#downwards.drained();
  }

  closed(): void {
    this.#inbox.put(() => this.#leave({ leaving: this.#left('client'), error: null, code: CLOSE.normal }));
  }

  #recheck(): undefined {
    if (!this.#leaving) this.#setting.authenticate();
  }

  #renew(): Later {
    return this.#open && !this.#leaving && !this.#stopping ? this.#nextHold('renew') : undefined;
  }

  #firstFrameMissed(): undefined {
    if (this.#model === null) throw modelMissing();
  }

  #fromClient(bytes: Buffer, isBinary: boolean): Later {
    if (this.#leaving) return undefined;
    if (isBinary) {
      const error = new ApiError('invalid_request', { detail: 'Events are JSON in text frames.' });
      return this.#leave({ leaving: this.#left('client'), error, code: CLOSE.unsupportedData });
    }
    if (this.#open) {
      const asked = this.#open.asked.take(bytes, this.#stopping?.error ?? null);
      return asked instanceof Promise ? asked.then((then) => this.#send(then, bytes)) : this.#send(asked, bytes);
    }
    this.#early.push(bytes);
    this.#earlyBytes += bytes.length;
    this.#upwards.early = this.#earlyBytes > this.#parts.maxEarlyBytes;
    return this.#model === null ? this.#firstFrame(bytes) : undefined;
  }

  /** An event that must not go up is answered with an error. The session goes on, unless its quota is spent. */
  #send({ frames, error }: Asked, bytes: Buffer): Later {
    for (const { frame } of frames) {
      if (this.#upstream?.send(frame) === false) this.#upwards.full(() => this.#upstreamStalled());
    }
    if (!error) return undefined;
    this.#tell(error, bytes);
    if (error.code !== 'insufficient_quota') return undefined;
    return this.#stop({ leaving: relayLeaves(error), error, code: closeCodeOf(error) }, true);
  }

  /** The model stands in the first frame when the address did not name it; such clients want the simple form. */
  async #firstFrame(bytes: Buffer): Promise<void> {
    const event = lookAt(frameText(bytes)).type === 'session.update' ? readFrame(bytes) : {};
    const model = isObject(event['session']) ? modelName(event['session']['model']) : null;
    if (model === null) throw modelMissing();
    this.#simple = true;
    await this.admit(model);
    await this.#dial();
  }

  #dial(): Later {
    if (this.#leaving || !this.#dialling) return undefined;
    const socket = this.#dialling.next((channel) => this.#sinkOf(channel));
    if (socket instanceof ApiError) {
      this.#responses?.undialled(this.#dialling.attempts);
      return this.#leave({ leaving: { by: 'refused', error: socket }, error: socket, code: closeCodeOf(socket) });
    }
    this.#upstream = socket;
    return undefined;
  }

  #sinkOf(channel: Channel): UpstreamFrames {
    return {
      opened: () => this.#inbox.put(() => this.#opened(channel)),
      refused: (failure) =>
        this.#inbox.put(() => {
          this.#dialling?.failed(channel, failure);
          return this.#dial();
        }),
      frame: (bytes) => this.#inbox.put(() => this.#fromUpstream(bytes)),
      drained: () => this.#upwards.drained(),
      closed: (code) => this.#inbox.put(() => this.#upstreamClosed(code)),
    };
  }

  async #opened(channel: Channel): Promise<void> {
    const responses = this.#responses;
    const model = this.#model;
    if (this.#leaving || !responses || model === null || !this.#upstream) return;
    const { router } = this.#parts;
    router.succeeded(channel);
    responses.connected(channel, this.#dialling?.attempts ?? []);
    const transcriptions = new Transcriptions(this.#parts, {
      channel,
      authenticate: this.#setting.authenticate,
      rates: () => responses.context.rates,
    });
    this.#transcriptions = transcriptions;
    const simple = this.#simple;
    const renameTo = channel.upstreamModel === model ? null : model;
    this.#open = {
      channel,
      asked: new ClientEvents({ responses, transcriptions, model, simple }),
      answered: new UpstreamEvents({ responses, transcriptions, router, channel, renameTo, simple }),
    };
    this.#downwards.source = this.#upstream;
    for (const bytes of this.#early.splice(0)) await this.#fromClient(bytes, false);
    this.#upwards.early = false;
  }

  #fromUpstream(bytes: Buffer): Later {
    if (this.#finished || !this.#open) return undefined;
    const shown = this.#open.answered.take(bytes, this.#leaving);
    return shown instanceof Promise ? shown.then((then) => this.#show(then)) : this.#show(shown);
  }

  #show({ frames, done, error, answer }: Shown): Later {
    for (const frame of frames) this.#sendDown(frame);
    if (answer !== undefined) this.#upstream?.send(answer);
    if (error) this.#tell(error, null);
    return done ? this.#afterCall() : undefined;
  }

  #afterCall(): Later {
    if (this.#leaving) return this.#idle ? this.#finish() : undefined;
    return this.#stopping ? this.#stop(this.#stopping, true) : this.#nextHold('stand');
  }

  /** No response and no transcription runs. */
  get #idle(): boolean {
    return this.#responses?.idle !== false && this.#transcriptions?.idle !== false;
  }

  /** Without a further hold no further response or transcription may begin. */
  async #nextHold(how: 'stand' | 'renew'): Promise<void> {
    try {
      await this.#responses?.[how]();
      await this.#transcriptions?.[how]();
    } catch (error) {
      const told = asApiError(error);
      if (told.code === 'internal_error') throw error;
      await this.#stop({ leaving: relayLeaves(told), error: told, code: closeCodeOf(told) });
    }
  }

  #upstreamClosed(code: number): Later {
    const inOrder = (code === 1000 || code === 1001) && this.#responses?.idle !== false;
    const error = inOrder ? null : new ApiError('bad_gateway');
    return this.#leave({ leaving: { by: 'upstream' }, error, code: inOrder ? CLOSE.normal : CLOSE.fault }, false);
  }

  #upstreamStalled(): void {
    const error = new ApiError('gateway_timeout');
    this.#inbox.put(() => this.#leave({ leaving: { by: 'upstream' }, error, code: CLOSE.fault }, false));
  }

  #sendDown(frame: Buffer | string): void {
    if (this.#leaving || this.#client?.send(frame) !== false) return;
    this.#downwards.full(() =>
      this.#inbox.put(() => this.#leave({ leaving: this.#left('stalled'), error: null, code: 1008 })),
    );
  }

  #left(by: 'client' | 'stalled'): Leaving {
    return { by, policy: this.#open?.channel.clientGone ?? null };
  }

  /** Ends the session when nothing runs, now or later. The client is told at once, unless it was `told` already. */
  #stop(exit: Exit, told = false): Later {
    if (this.#leaving) return undefined;
    if (exit.error && !told && !this.#stopping) this.#tell(exit.error, null);
    this.#stopping ??= exit;
    if (this.#open && this.#responses?.idle === false) return undefined;
    return this.#leave(this.#stopping, true, true);
  }

  /** Leaves the client now, and the upstream when what still runs has its usage or, unless it `waits`, at once. */
  #leave({ leaving, error, code }: Exit, waits = true, told = false): Later {
    if (this.#leaving) return waits ? undefined : this.#finish();
    if (error && !told) this.#tell(error, null);
    this.#leaving = leaving;
    this.#schedule.clear();
    this.#client?.close(code, error?.code ?? '');
    const running = this.#responses?.runningIds ?? [];
    const transcribes = this.#transcriptions?.idle === false;
    if (!waits || !this.#open || (running.length === 0 && !transcribes)) return this.#finish();
    this.#downwards.drained();
    const { clientGone, drainMaxMs } = this.#open.channel;
    const drains = leaving.by !== 'relay' && clientGone === 'drain';
    for (const id of drains ? [] : running) {
      this.#upstream?.send(JSON.stringify({ type: 'response.cancel', response_id: id }));
    }
    const waitMs = drains && running.length > 0 ? drainMaxMs : this.#parts.times.cancelMs;
    this.#schedule.after(waitMs, () => this.#inbox.put(() => this.#finish()));
    return undefined;
  }

  async #finish(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    this.#schedule.clear();
    this.#upwards.drained();
    this.#downwards.drained();
    try {
      this.#upstream?.close(CLOSE.normal, '');
      const leaving = this.#leaving ?? relayLeaves(null);
      await this.#transcriptions?.settleAll(leaving);
      await this.#responses?.settleAll(leaving);
    } finally {
      this.#over();
    }
  }

  /** Something failed that concerns the whole session: the client is told what it may know. Never rejects. */
  async #broke(error: unknown): Promise<void> {
    const told = asApiError(error);
    if (told.code === 'internal_error') {
      this.#parts.runtime.log.error({ error, sessionId: this.#setting.sessionId }, 'a realtime session broke');
    }
    await this.#leave({ leaving: relayLeaves(told), error: told, code: closeCodeOf(told) });
  }

  /** `cause` is the client's event that is at fault. */
  #tell(error: ApiError, cause: Buffer | null): void {
    const { runtime, metrics } = this.#parts;
    metrics.callRefused(error.code);
    const eventId = `event_${runtime.ids.uuid()}`;
    const causedBy = cause && eventIdOf(cause.toString('utf8'));
    const event = errorEvent(error, { eventId, requestId: this.#setting.sessionId, causedBy });
    this.#sendDown(JSON.stringify(this.#simple ? simpleError(event['error']) : event));
  }
}
