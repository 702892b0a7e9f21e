import { createParser, type EventSourceParser } from 'eventsource-parser';
import type { ChannelQuirks } from '../ports.ts';
import { chunkTemplate } from './chatAnswer.ts';
import type { ReceivedOutput } from './receivedOutput.ts';
import { atPath } from './reportedUsage.ts';

/** Images and audio arrive as deltas of several MB; beyond this an event is hostile. */
const MAX_EVENT_CHARACTERS = 16 * 1024 * 1024;

/** How OpenAI ends a chunk that has no usage; what stands right before the last brace is a member of the whole object. */
const NULL_USAGE = ',"usage":null}';

type Json = Record<string, unknown>;

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
 */
export class ChatStream {
  readonly #options: ChatStreamOptions;
  readonly #decoder = new TextDecoder('utf-8');
  readonly #parser: EventSourceParser;
  #forward = '';
  #done = false;
  #usage: Json | null = null;
  #failure: unknown = null;
  #template: Json | null = null;

  constructor(options: ChatStreamOptions) {
    this.#options = options;
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

  /** The last usage object that was not empty; repeated usage is cumulative, never summed. */
  get usage(): Json | null {
    return this.#usage;
  }

  /** The members that every chunk of this answer shares, for the usage chunk that we write. */
  get template(): Json {
    return this.#template ?? chunkTemplate({}, this.#options.renameTo ?? undefined);
  }

  /** Server-sent events to forward for these bytes; may be empty. */
  feed(chunk: Buffer): string {
    return this.#parse(this.#decoder.decode(chunk, { stream: true }));
  }

  /** The upstream has closed: an event without its blank line still counts. */
  end(): string {
    return this.#parse(`${this.#decoder.decode()}\n\n`);
  }

  #parse(text: string): string {
    if (this.#failure) return '';
    this.#parser.feed(text);
    const forward = this.#forward;
    this.#forward = '';
    return forward;
  }

  #take(data: string): void {
    if (this.#done || this.#failure) return;
    const trimmed = data.trim();
    if (trimmed === '') return;
    if (trimmed === '[DONE]' || trimmed === '"[DONE]"') {
      this.#done = true;
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
    const { quirks, renameTo, received, usageWanted } = this.#options;
    const pathUsage = quirks.usagePath === 'usage' ? undefined : atPath(chunk, quirks.usagePath);
    const usage = pathUsage ?? chunk['usage'];
    if (isObject(usage)) this.#usage = this.#usage && isEmptyUsage(usage) ? this.#usage : usage;
    this.#failure = chunk['error'] || errorOfChoice(chunk['choices']) || null;
    if (this.#failure) return;
    received.add(chunk['choices']);
    // Azure begins with a chunk that has no id of its own.
    if (!this.#template?.['id']) this.#template = chunkTemplate(chunk, renameTo ?? chunk['model']);
    if (Array.isArray(chunk['choices']) && chunk['choices'].length === 0 && isObject(usage)) return;
    const renamed = renameTo !== null && chunk['model'] !== renameTo;
    const hidesUsage = Object.hasOwn(chunk, 'usage') && (!usageWanted || chunk['usage'] !== null);
    if (!renamed && hidesUsage && text.endsWith(NULL_USAGE)) this.#write(`${text.slice(0, -NULL_USAGE.length)}}`);
    else if (pathUsage !== undefined)
      this.#write(rewritten(withoutPath(chunk, quirks.usagePath), renameTo, usageWanted));
    else if (renamed || hidesUsage) this.#write(rewritten(chunk, renameTo, usageWanted));
    else this.#write(text);
  }

  /** JSON has line breaks only between its tokens, and an event of ours is one line. */
  #write(json: string): void {
    this.#forward += `data: ${json.includes('\n') ? json.replaceAll('\n', ' ') : json}\n\n`;
  }
}

function rewritten(chunk: Json, renameTo: string | null, usageWanted: boolean): string {
  const { usage: _usage, ...rest } = chunk;
  if (renameTo !== null) rest['model'] = renameTo;
  if (usageWanted) rest['usage'] = null;
  return JSON.stringify(rest);
}

/** A copy of the chunk without the member at the dotted path. */
function withoutPath(chunk: Json, path: string): Json {
  return without(chunk, path.split('.')) as Json;
}

function without(source: unknown, [step = '', ...rest]: readonly string[]): unknown {
  if (Array.isArray(source)) {
    return source.map((item: unknown, index) => (String(index) === step ? without(item, rest) : item));
  }
  if (!isObject(source)) return source;
  const { [step]: inner, ...others } = source;
  return rest.length === 0 ? others : { ...others, [step]: without(inner, rest) };
}

function errorOfChoice(choices: unknown): unknown {
  if (!Array.isArray(choices)) return undefined;
  return (choices as readonly ({ error?: unknown } | null)[]).find((choice) => choice?.error)?.error;
}

function parseObject(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    // The caller decides what text that is not JSON means.
    return null;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmptyUsage(usage: Json): boolean {
  return !usage['prompt_tokens'] && !usage['completion_tokens'] && !usage['total_tokens'];
}
