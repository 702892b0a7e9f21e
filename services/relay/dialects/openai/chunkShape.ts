import { isObject, parseObject, type Json } from '../../wire/json.ts';
import { rewritten, textAsSent, usageAtPath, type ForwardRules } from './forwardedChunk.ts';
import { ReceivedOutput } from './receivedOutput.ts';

/** What OpenAI puts into its chunks so that their sizes tell nothing; of a new length each time. */
const PADDING = 'obfuscation';

/** They stand for content and padding while a shape is made: characters that JSON does not escape and nobody sends. */
const CONTENT_MARK = '\u007f';
const PADDING_MARK = '\u0080';
/** Beside the marks, an escape, because then a string is not its text, and a line feed, which no line of an event has. */
const UNFIT = /[\u007f\u0080\\\n]/;

/** Chunks of images and audio are too large, and too few, to be worth a shape. */
const MAX_SHAPE_CHARACTERS = 16_384;

/** A character that does not stand for itself in a JSON string: a quote, a backslash, a control character. */
const NOT_PLAIN = /[^ !#-[\]-\uffff]/g;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * What the events of one answer have in common, character for character, around the content that makes them differ.
 * An event of the same shape needs no parsing: of its JSON nothing can differ but the value of that one string.
 */
export class ChunkShape {
  /** The text that the event read last adds to the answer. */
  content = '';
  /** The event read last as it goes to the client; empty when events are forwarded unchanged. */
  forwarded = '';
  /** The place behind the event read last. */
  end = 0;
  /** Events are forwarded as they came. */
  readonly unchanged: boolean;
  readonly #asSent: boolean;
  readonly #received: Parts;
  readonly #forwarded: Parts;

  constructor(received: Parts, forwarded: Parts, asSent: boolean) {
    this.#received = received;
    this.#forwarded = forwarded;
    this.#asSent = asSent;
    this.unchanged = received.join() === forwarded.join();
  }

  /** Reads one whole event of this shape. Returns false when something else stands there. */
  read(text: string, at: number): boolean {
    const [head, middle, tail] = this.#received;
    if (!standsAt(head, text, at)) return false;
    const from = at + head.length;
    const to = stringEnd(text, from);
    if (to < 0 || !standsAt(middle, text, to)) return false;
    const paddingFrom = to + middle.length;
    const paddingTo = tail === '' ? paddingFrom : stringEnd(text, paddingFrom);
    if (paddingTo < 0 || !standsAt(tail, text, paddingTo)) return false;
    const sent = text.slice(from, to);
    const padding = text.slice(paddingFrom, paddingTo);
    if (!this.#take(sent, padding)) return false;
    this.end = paddingTo + tail.length;
    if (!this.unchanged) {
      const [before, between, after] = this.#forwarded;
      this.forwarded = before + sent + between + padding + after;
    }
    return true;
  }

  #take(sent: string, padding: string): boolean {
    if (padding.includes('\\')) return false;
    if (!sent.includes('\\')) {
      this.content = sent;
      return true;
    }
    // A chunk that is written anew may spell its escapes in another way.
    const content = this.#asSent ? parseString(`"${sent}"`) : null;
    if (content === null) return false;
    this.content = content;
    return true;
  }
}

/** The text before the content, after it, and after the padding, if there is padding. */
type Parts = readonly [string, string, string];

/**
 * The shape of a chunk that carries text and whose every other member may come again without a consequence; null when
 * its content cannot be told from the rest. Nothing is assumed about where content stands: it is the one string without
 * which the chunk carries nothing.
 */
export function shapeOf(chunk: Json, text: string, rules: ForwardRules, reasoningField: string): ChunkShape | null {
  if (text.length > MAX_SHAPE_CHARACTERS || UNFIT.test(text)) return null;
  if (isObject(chunk['usage']) || usageAtPath(chunk, rules) !== undefined || endsChoice(chunk['choices'])) return null;
  const marked = markedText(text, contentOf(chunk, reasoningField), chunk[PADDING]);
  const example = marked === null ? null : parseObject(marked);
  if (marked === null || example === null) return null;
  if (PADDING in chunk && example[PADDING] !== PADDING_MARK) return null;
  const silent = parseObject(marked.replace(CONTENT_MARK, ''));
  if (silent === null || contentOf(silent, reasoningField) !== null) return null;
  const asSent = textAsSent(example, marked, rules);
  const received = partsOf(marked);
  const forwarded = partsOf(asSent ?? rewritten(example, rules));
  return received && forwarded && new ChunkShape(received, forwarded, asSent !== null);
}

/** The text that a chunk adds to an answer; null when it adds nothing. */
function contentOf(chunk: Json, reasoningField: string): string | null {
  const alone = new ReceivedOutput(reasoningField);
  return alone.add(chunk['choices']) ? alone.toCount().text : null;
}

function endsChoice(choices: unknown): boolean {
  return (
    Array.isArray(choices) && choices.some((choice) => isObject(choice) && typeof choice['finish_reason'] === 'string')
  );
}

/** The chunk with a mark for its content, and for its padding where it has some; null when one is not found. */
function markedText(text: string, content: string | null, padding: unknown): string | null {
  const marked = content === null ? null : withMark(text, content, CONTENT_MARK);
  return marked !== null && typeof padding === 'string' ? withMark(marked, padding, PADDING_MARK) : marked;
}

function withMark(text: string, value: string, mark: string): string | null {
  const at = text.lastIndexOf(`"${value}"`) + 1;
  return at === 0 ? null : text.slice(0, at) + mark + text.slice(at + value.length);
}

/** The parts of a marked chunk as an event of a stream; null when the marks are not in their order. */
function partsOf(json: string): Parts | null {
  const [head, rest, ...more] = `data: ${json}\n\n`.split(CONTENT_MARK);
  if (head === undefined || rest === undefined || more.length > 0 || head.includes(PADDING_MARK)) return null;
  const [middle = '', tail = '', ...others] = rest.split(PADDING_MARK);
  return others.length > 0 ? null : [head, middle, tail];
}

/** Three times as fast as `startsWith`, which compares character by character. */
function standsAt(part: string, text: string, at: number): boolean {
  return text.slice(at, at + part.length) === part;
}

/** The place of the quote that ends a JSON string; -1 when it does not end, or holds what no JSON string may. */
function stringEnd(text: string, from: number): number {
  for (NOT_PLAIN.lastIndex = from; NOT_PLAIN.test(text);) {
    const at = NOT_PLAIN.lastIndex - 1;
    const found = text.charCodeAt(at);
    if (found === QUOTE) return at;
    if (found !== BACKSLASH) return -1;
    // Whatever is escaped; `parseString` knows what may be.
    NOT_PLAIN.lastIndex = at + 2;
  }
  return -1;
}

function parseString(json: string): string | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'string' ? value : null;
  } catch {
    // The whole event is read again, as one that may be no JSON.
    return null;
  }
}
