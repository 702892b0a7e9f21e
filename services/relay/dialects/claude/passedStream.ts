import type { AnswerReading, Billed } from '../../call.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { isObject, type Json } from '../../wire/json.ts';
import { SseEvents } from '../../wire/sseEvents.ts';
import { excerptOf } from './answerEvents.ts';
import { billedUsage } from './billedUsage.ts';
import { apiErrorText, statesError } from './errorEvents.ts';
import { claudeEvent, EVENT_STREAM } from './face.ts';
import { ReceivedBlocks } from './receivedBlocks.ts';
import { claudeUsage, RunningUsage } from './usage.ts';

/** Events that tell a client nothing as long as no content has come; they wait, so that another channel may still answer. */
const OPENING: ReadonlySet<string> = new Set(['message_start', 'content_block_start', 'content_block_stop']);

/**
 * An upstream's stream on its way to a client of the same dialect. Events go down as they came; the last two are kept
 * back and stand in the ending, with the usage that is billed.
 */
export class PassedStream implements AnswerReading {
  readonly contentType = EVENT_STREAM;
  readonly stopRequest = null;
  readonly received = new ReceivedBlocks();
  readonly #usage = new RunningUsage();
  readonly #renameTo: string | null;
  readonly #events: SseEvents;
  #waiting = '';
  #forward = '';
  /** The `message_delta` of the ending. */
  #last: Json = { type: 'message_delta' };
  #delta: Json = { stop_reason: null, stop_sequence: null };
  #stated: Json = {};
  #done = false;
  #failure: string | null = null;

  constructor(renameTo: string | null) {
    this.#renameTo = renameTo;
    this.#events = new SseEvents({
      event: (name, data, text) => this.take(name, data, text),
      done: () => undefined,
      fault: (message, text) => this.fail(text === undefined ? apiErrorText(message) : excerptOf(text)),
    });
  }

  get done(): boolean {
    return this.#done;
  }

  get failure(): string | null {
    return this.#failure;
  }

  get reported(): ReportedUsage {
    return this.#usage.reported;
  }

  feed(chunk: Buffer): string {
    this.#events.feed(chunk);
    return this.taken();
  }

  end(): string {
    this.#events.end();
    return this.taken();
  }

  /** An upstream that ends without a reason has ended its turn. */
  ending(billed: Billed): string {
    const delta = { ...this.#delta, stop_reason: this.#delta['stop_reason'] ?? 'end_turn' };
    const json = JSON.stringify({ ...this.#last, delta });
    const last = `${json.slice(0, -1)},"usage":${billedUsage(billed, this.#stated)}}`;
    return `${this.#released()}${claudeEvent('message_delta', last)}${claudeEvent('message_stop', '{"type":"message_stop"}')}`;
  }

  /** What may go to the client by now. */
  taken(): string {
    const forward = this.#forward;
    this.#forward = '';
    return forward;
  }

  /** `text`: the data as it came. */
  take(name: string | null, data: Json, text: string): void {
    if (this.#done || this.#failure !== null) return;
    if (statesError(name, data)) {
      this.#failure = text;
      return;
    }
    const type = typeof data['type'] === 'string' ? data['type'] : (name ?? '');
    switch (type) {
      case 'message_start':
        this.#write(type, this.#opened(data, text));
        return;
      case 'content_block_start':
        this.received.add(data['content_block']);
        break;
      case 'content_block_delta':
        this.received.add(data['delta']);
        break;
      case 'message_delta':
        this.#keep(data);
        return;
      case 'message_stop':
        this.#done = true;
        return;
      case 'ping':
        if (this.received.isEmpty) return;
    }
    this.#write(type, text);
  }

  fail(text: string): void {
    this.#failure ??= text;
  }

  /** JSON has line breaks only between its tokens, and data of ours is one line. Clients know no event by another name. */
  #write(type: string, json: string): void {
    if (!/^[\w.-]{1,64}$/.test(type)) return;
    const event = claudeEvent(type, json.includes('\n') ? json.replaceAll('\n', ' ') : json);
    if (this.received.isEmpty && OPENING.has(type)) this.#waiting += event;
    else this.#forward += this.#released() + event;
  }

  #released(): string {
    const waiting = this.#waiting;
    this.#waiting = '';
    return waiting;
  }

  /** The opening with the client's name for the model, and without what the provider says of its own price. */
  #opened(data: Json, text: string): string {
    const message = isObject(data['message']) ? data['message'] : {};
    const { usage, model } = message;
    this.#usage.open(usage);
    const renamed = this.#renameTo !== null && model !== this.#renameTo;
    const priced = isObject(usage) && Object.hasOwn(usage, 'cost');
    if (!renamed && !priced) return text;
    const counts = claudeUsage(this.#usage.reported.input ?? {});
    return JSON.stringify({
      ...data,
      message: { ...message, model: this.#renameTo ?? model, ...(priced && { usage: counts }) },
    });
  }

  /** There may be several; each says only what is new, and null says nothing. */
  #keep({ delta, usage, ...rest }: Json): void {
    this.#usage.add(usage);
    this.#last = { ...this.#last, ...rest };
    this.#delta = { ...this.#delta, ...withoutNulls(delta) };
    this.#stated = { ...this.#stated, ...withoutNulls(usage) };
    this.received.stop(this.#delta['stop_reason']);
  }
}

function withoutNulls(value: unknown): Json {
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null && member !== undefined))
    : {};
}
