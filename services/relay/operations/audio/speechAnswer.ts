import type { AnswerReading, Billed, ResponseHeaders } from '../../call.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { contentTypeIn, isEventStream } from '../../wire/contentType.ts';
import { textIn, type Json } from '../../wire/json.ts';
import { SseEvents } from '../../wire/sseEvents.ts';
import { eventText, HeldStream, type MediaEvent, type MediaStream } from '../heldStream.ts';
import { billedTokens, readMediaUsage } from '../mediaUsage.ts';
import { Produced } from '../produced.ts';
import { STREAM_TYPE, WholeAnswer } from '../wholeAnswer.ts';
import { charactersIn, typicalSound, type SpeechBody } from './speechRequest.ts';

const DELTA = 'speech.audio.delta';
const DONE = 'speech.audio.done';

/** Content types of the formats; OpenAI's usual one is MP3. */
const SOUND_TYPES: ReadonlyMap<string, string> = new Map([
  ['mp3', 'audio/mpeg'],
  ['opus', 'audio/opus'],
  ['aac', 'audio/aac'],
  ['flac', 'audio/flac'],
  ['wav', 'audio/wav'],
  ['pcm', 'audio/pcm'],
]);
const SOUND_TYPE = /^(audio\/|application\/octet-stream)[\w.+;= -]*$/;

/** Sound comes as bytes or as events, and the client gets it in the form that it asked for. */
export function readSpeech(body: SpeechBody, headers: ResponseHeaders): AnswerReading {
  const asEvents = body.stream_format === 'sse';
  if (isEventStream(headers)) {
    return asEvents ? new HeldStream(new SpeechEvents(body)) : new Sound(body, 'events', soundType(body, ''));
  }
  const stated = contentTypeIn(headers);
  if (/json|html|text\//.test(stated)) return new WholeAnswer(() => null);
  return new Sound(body, 'bytes', asEvents ? STREAM_TYPE : soundType(body, stated));
}

function soundType({ response_format: format }: SpeechBody, stated: string): string {
  if (SOUND_TYPE.test(stated)) return stated;
  return SOUND_TYPES.get(format ?? 'mp3') ?? 'application/octet-stream';
}

/** What was used of a speech so far: its characters as soon as there is any sound. */
class SpeechUsage {
  readonly produced = new Produced();
  stated: unknown = null;
  readonly #body: SpeechBody;

  constructor(body: SpeechBody) {
    this.#body = body;
  }

  sounded(): void {
    this.produced.deliver('', this.produced.isEmpty ? typicalSound(this.#body) : 0);
  }

  get reported(): ReportedUsage {
    const other = this.produced.isEmpty ? {} : { characters: charactersIn(this.#body) };
    return { ...readMediaUsage(this.stated, 'audioOutput'), other };
  }
}

/** Events on their way to a client that wants events. */
class SpeechEvents implements MediaStream {
  readonly model: string;
  readonly lasts = 1;
  readonly usage = billedTokens;
  readonly #used: SpeechUsage;

  constructor(body: SpeechBody) {
    this.model = body.model;
    this.#used = new SpeechUsage(body);
  }

  get produced(): Produced {
    return this.#used.produced;
  }

  get reported(): ReportedUsage {
    return this.#used.reported;
  }

  isLast({ type }: MediaEvent): boolean {
    return type === DONE;
  }

  take({ type, data }: MediaEvent): void {
    if (type === DELTA) this.#used.sounded();
    else if (type === DONE) this.#used.stated = data['usage'];
  }
}

/**
 * Sound on its way to a client that wants it otherwise than it comes, or that wants its bytes. The last piece is held
 * back until the settlement, for bytes have no other end.
 */
class Sound implements AnswerReading {
  readonly contentType: string;
  readonly stopRequest = null;
  readonly #used: SpeechUsage;
  readonly #source: SseEvents | null;
  readonly #written: 'bytes' | 'events';
  #arrived: Buffer[] = [];
  #held: Buffer | null = null;
  #done = false;
  #failure: string | null = null;

  constructor(body: SpeechBody, source: 'bytes' | 'events', contentType: string) {
    this.#used = new SpeechUsage(body);
    this.#written = contentType === STREAM_TYPE ? 'events' : 'bytes';
    this.contentType = contentType;
    this.#source =
      source === 'bytes'
        ? null
        : new SseEvents({
            event: (name, data) => this.#takeEvent(textIn(data['type']) || (name ?? ''), data),
            done: () => undefined,
            fault: (message, text) => this.#fail(text ?? JSON.stringify({ error: { message } })),
          });
  }

  get done(): boolean {
    return this.#done;
  }

  get failure(): string | null {
    return this.#failure;
  }

  get received(): Produced {
    return this.#used.produced;
  }

  get reported(): ReportedUsage {
    return this.#used.reported;
  }

  feed(chunk: Buffer): string | Buffer {
    if (this.#source) this.#source.feed(chunk);
    else this.#takeSound(chunk);
    return this.#forward();
  }

  end(): string | Buffer {
    if (this.#source) this.#source.end();
    else if (this.received.isEmpty) this.#fail(JSON.stringify({ error: { message: 'the answer was empty' } }));
    else this.#done = true;
    return this.#forward();
  }

  ending(billed: Billed): string | Buffer {
    const rest = this.#held ?? Buffer.alloc(0);
    if (this.#written === 'bytes') return rest;
    const usage = billedTokens(this.#used.stated, billed);
    return `${deltaEvent(rest)}${eventText(DONE, `{"type":"${DONE}","usage":${usage}}`)}`;
  }

  #takeEvent(type: string, data: Json): void {
    if (this.#done || this.#failure !== null) return;
    if (type === 'error' || data['error']) this.#fail(JSON.stringify({ error: data['error'] ?? data }));
    else if (type === DELTA) this.#takeSound(Buffer.from(textIn(data['audio']), 'base64'));
    else if (type === DONE) {
      this.#used.stated = data['usage'];
      this.#done = true;
    }
  }

  #takeSound(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#used.sounded();
    if (this.#held) this.#arrived.push(this.#held);
    this.#held = bytes;
  }

  #forward(): string | Buffer {
    const pieces = this.#arrived;
    this.#arrived = [];
    if (this.#written === 'events') return pieces.map(deltaEvent).join('');
    return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
  }

  #fail(error: string): void {
    this.#failure ??= error;
  }
}

function deltaEvent(bytes: Buffer): string {
  return eventText(DELTA, JSON.stringify({ type: DELTA, audio: bytes.toString('base64') }));
}
