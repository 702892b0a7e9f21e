import { createParser, type EventSourceParser } from 'eventsource-parser';
import type { ChannelQuirks } from '../../ports.ts';
import { isObject, parseObject, textIn, type Json } from '../../wire/json.ts';
import { chunkTemplate, errorIn } from './chatAnswer.ts';
import { shapeOf, type ChunkShape } from './chunkShape.ts';
import { rewritten, textAsSent, usageAtPath, type ForwardRules } from './forwardedChunk.ts';
import type { ReceivedOutput } from './receivedOutput.ts';

/** Images and audio arrive as deltas of several MB; beyond this an event is hostile. */
const MAX_EVENT_CHARACTERS = 16 * 1024 * 1024;

/** The most that is kept of an event that a network chunk has cut, so that the next one can be read with it. */
const MAX_HELD_CHARACTERS = 65_536;

/** An answer whose shape was looked for so often, and no event had it, has none. */
const MAX_VAIN_SHAPES = 4;

export interface ChatStreamOptions {
  readonly quirks: Pick<ChannelQuirks, 'usagePath'>;
  /** The client's name for the model, where the provider uses another one. */
  readonly renameTo: string | null;
  /** The client asked for usage, so chunks keep the `"usage":null` that goes with it. */
  readonly usageWanted: boolean;
  readonly received: ReceivedOutput;
}

/**
 * Turns the bytes of an upstream's chat stream, however they are cut, into the events to forward. Usage and `[DONE]`
 * are kept back: they go out only after the settlement is durable, and usage only to a client that asked.
 *
 * Between two events, one of the shape that the last ones had is read by that shape. All else is read by the parser.
 */
export class ChatStream {
  readonly #received: ReceivedOutput;
  readonly #rules: ForwardRules;
  readonly #decoder = new TextDecoder('utf-8');
  readonly #parser: EventSourceParser;
  /** The decoder is past the BOM and has no part of a character. */
  #decoderIdle = false;
  /** The parser has nothing of an event that is not ended. */
  #betweenEvents = false;
  /** The beginning of an event that a network chunk has cut. */
  #held = '';
  #shape: ChunkShape | null = null;
  /** What an event of the shape states; null for nothing. */
  #shapeTier: string | null = null;
  /** Shapes looked for since one was of use. */
  #vainShapes = 0;
  #forward = '';
  #done = false;
  #usage: Json | null = null;
  #serviceTier: string | null = null;
  #failure: unknown = null;
  #template: Json | null = null;

  constructor(options: ChatStreamOptions) {
    const { quirks, renameTo, usageWanted, received } = options;
    this.#received = received;
    this.#rules = { usagePath: quirks.usagePath, renameTo, usageWanted };
    this.#parser = createParser({
      maxBufferSize: MAX_EVENT_CHARACTERS,
      onEvent: ({ event, data }) => (event === 'error' ? this.#takeError(data) : this.#take(data)),
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') this.#failure ??= { message: 'an event was too large' };
      },
    });
  }

  /** `[DONE]` was seen. */
  get done(): boolean {
    return this.#done;
  }

  /** An error object that the upstream sent, or a fault in its stream. */
  get failure(): unknown {
    return this.#failure;
  }

  /** What usage objects stated together; repeated usage is cumulative, never summed. */
  get usage(): Json | null {
    return this.#usage;
  }

  /** The last `service_tier` that was stated. */
  get serviceTier(): string | null {
    return this.#serviceTier;
  }

  /** The members that every chunk of this answer shares, for the usage chunk that we write. */
  get template(): Json {
    return this.#template ?? chunkTemplate({}, this.#rules.renameTo ?? undefined);
  }

  /** Server-sent events to forward for these bytes; may be empty. */
  feed(chunk: Buffer): string {
    return this.#parse(this.#decode(chunk));
  }

  /** The upstream has closed: an event without its blank line still counts. */
  end(): string {
    return this.#parse(`${this.#decoder.decode()}\n\n`);
  }

  /** The decoder is for the BOM and for cut characters; what is whole is decoded faster without it. */
  #decode(chunk: Buffer): string {
    const last = chunk.at(-1);
    if (last === undefined) return '';
    const endsWhole = last < 0x80;
    if (this.#decoderIdle && endsWhole) return chunk.toString();
    this.#decoderIdle = endsWhole;
    return this.#decoder.decode(chunk, { stream: true });
  }

  #parse(text: string): string {
    if (this.#failure) return '';
    this.#read(this.#held + text, this.#held.length);
    const forward = this.#forward;
    this.#forward = '';
    return forward;
  }

  #read(text: string, alreadyHeld: number): void {
    this.#held = '';
    let at = 0;
    while (at < text.length && !this.#failure) {
      if (this.#betweenEvents && this.#shape) at = this.#readShaped(this.#shape, text, at);
      const lineFeeds = text.indexOf('\n\n', at);
      if (lineFeeds === -1) {
        this.#readRest(text.slice(at), at >= alreadyHeld);
        return;
      }
      this.#parser.feed(text.slice(at, lineFeeds + 2));
      this.#betweenEvents = true;
      at = lineFeeds + 2;
    }
  }

  /** Reads the events of this shape; returns where another one begins. */
  #readShaped(shape: ChunkShape, text: string, from: number): number {
    let at = from;
    while (shape.read(text, at)) {
      this.#received.addText(shape.content);
      this.#forward += shape.forwarded;
      at = shape.end;
    }
    if (at === from) return from;
    this.#serviceTier = this.#shapeTier ?? this.#serviceTier;
    if (shape.unchanged) this.#forward += text.slice(from, at);
    this.#vainShapes = 0;
    return at;
  }

  /** Holds what may become an event of the shape. A carriage return could have ended an event already. */
  #readRest(rest: string, isNew: boolean): void {
    const mayHold = this.#betweenEvents && this.#shape !== null && isNew && rest.length <= MAX_HELD_CHARACTERS;
    if (mayHold && !rest.includes('\r')) this.#held = rest;
    else if (rest !== '') {
      this.#parser.feed(rest);
      this.#betweenEvents = false;
    }
  }

  #take(data: string): void {
    if (this.#done || this.#failure) return;
    const trimmed = data.trim();
    if (trimmed === '') return;
    if (trimmed === '[DONE]' || trimmed === '"[DONE]"') {
      this.#done = true;
      this.#shape = null;
      return;
    }
    const chunk = parseObject(trimmed);
    if (chunk) this.#takeChunk(chunk, trimmed);
    else if (trimmed.includes('\n')) {
      // Some upstreams leave out the blank line between events, so several arrive as one.
      for (const line of trimmed.split('\n')) this.#take(line);
    } else this.#failure = { message: 'an event was not JSON' };
  }

  #takeError(data: string): void {
    if (this.#done || this.#failure) return;
    const stated = parseObject(data);
    this.#failure = stated?.['error'] ?? stated ?? { message: 'an error event' };
  }

  #takeChunk(chunk: Json, text: string): void {
    const rules = this.#rules;
    const stated = usageAtPath(chunk, rules) ?? chunk['usage'];
    const usage = isObject(stated) ? stated : null;
    if (usage) this.#usage = laterUsageObject(this.#usage, usage);
    this.#serviceTier = tierIn(chunk) ?? this.#serviceTier;
    this.#failure = errorIn(chunk);
    if (this.#failure) return;
    const carried = this.#received.add(chunk['choices']);
    // Azure begins with a chunk that has no id of its own.
    if (!this.#template?.['id']) this.#template = chunkTemplate(chunk, rules.renameTo ?? chunk['model']);
    if (Array.isArray(chunk['choices']) && chunk['choices'].length === 0 && usage) return;
    this.#write(textAsSent(chunk, text, rules) ?? rewritten(chunk, rules));
    if (carried) this.#learnShape(chunk, text);
  }

  /** Chunks without an id could change the template again. One with escapes may have the shape that is known. */
  #learnShape(chunk: Json, text: string): void {
    if (this.#vainShapes === MAX_VAIN_SHAPES || !this.#template?.['id'] || text.includes('\\')) return;
    this.#vainShapes += 1;
    const shape = shapeOf(chunk, text, this.#rules, this.#received.reasoningField);
    if (!shape) return;
    this.#shape = shape;
    this.#shapeTier = tierIn(chunk);
  }

  /** JSON has line breaks only between its tokens, and an event of ours is one line. */
  #write(json: string): void {
    this.#forward += `data: ${json.includes('\n') ? json.replaceAll('\n', ' ') : json}\n\n`;
  }
}

function tierIn(chunk: Json): string | null {
  return textIn(chunk['service_tier']) || null;
}

/** As `laterUsage`: of prompt and completion the last count that is not 0. A total of two halves would say nothing. */
function laterUsageObject(before: Json | null, after: Json): Json {
  if (!before) return after;
  const prompt = after['prompt_tokens'] || !before['prompt_tokens'] ? after : before;
  const completion = after['completion_tokens'] || !before['completion_tokens'] ? after : before;
  if (prompt === completion) return prompt;
  const { completion_tokens: tokens, completion_tokens_details: details } = completion;
  return { ...prompt, completion_tokens: tokens, completion_tokens_details: details, total_tokens: null };
}
