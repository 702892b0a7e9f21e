import type { Emit, FinishReason } from '../canonical/answer.ts';
import { parseObject, type Json } from '../wire/json.ts';
import { withoutZeros, type ReportedUsage } from '../usage/reported.ts';

/** As much of a text that is no answer as tells what it is. */
const EXCERPT_CHARACTERS = 4_096;

/**
 * Emits the events of an agent's answer in their order: `start` first, `start`, `session`, `finish` and `end` once,
 * nothing of the answer after its finish, and nothing at all after its end or failure.
 */
export class AgentAnswer {
  readonly #emit: Emit;
  #started = false;
  #session: string | null = null;
  #speaks = false;
  #finished = false;
  #over = false;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /** Some text was emitted. */
  get speaks(): boolean {
    return this.#speaks;
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** It has ended or failed. */
  get over(): boolean {
    return this.#over;
  }

  /** Empty names count as none. */
  start(id: string, model: string): void {
    if (this.#started || this.#over) return;
    this.#started = true;
    this.#emit({ type: 'start', id: id === '' ? null : id, model: model === '' ? null : model });
  }

  session(platformId: string): void {
    if (platformId === '' || platformId === this.#session || this.#over) return;
    this.start('', '');
    this.#session = platformId;
    this.#emit({ type: 'session', platformId });
  }

  text(text: string): void {
    if (text === '' || !this.#open()) return;
    this.#speaks = true;
    this.#emit({ type: 'text', choice: 0, text });
  }

  thinking(text: string): void {
    if (text !== '' && this.#open()) this.#emit({ type: 'thinking', choice: 0, text });
  }

  usage(usage: ReportedUsage | null): void {
    if (usage !== null && !this.#over) this.#emit({ type: 'usage', usage });
  }

  finish(reason: FinishReason): void {
    if (!this.#open()) return;
    this.#finished = true;
    this.#emit({ type: 'finish', choice: 0, reason, stopSequence: null });
  }

  failed(error: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#emit({ type: 'failed', error });
  }

  /** A stream that cannot be read on has failed, unless its answer is there already. */
  fault(message: string): void {
    if (!this.#finished) this.failed(statedError(message));
  }

  /** Only a finished answer is whole. */
  end(): void {
    if (!this.#finished || this.#over) return;
    this.#over = true;
    this.#emit({ type: 'end' });
  }

  #open(): boolean {
    if (this.#finished || this.#over) return false;
    this.start('', '');
    return true;
  }
}

/** What a JSON body states, by the reader of its platform; null for a text that is no JSON. */
export function statedBy(text: string, read: (body: Json) => string): string | null {
  const body = parseObject(text.trim());
  return body && read(body);
}

/** An error as JSON text in which its HTTP status and the platform's word for it are found. */
export function statedError(message: string, status: number | null = null, word = ''): string {
  return JSON.stringify({
    error: { message, ...(status !== null && { code: status }), ...(word !== '' && { status: word }) },
  });
}

/** What stands for a text that is no answer. */
export function excerptOf(text: string): string {
  return text === '' ? statedError('The answer was empty.') : text.slice(0, EXCERPT_CHARACTERS);
}

/** A token count as a platform may state it; null for anything else in its place. */
export function tokenCount(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** What a platform reported, undivided where it states only a total; null when it states nothing above 0. */
export function agentUsage(input: number | null, output: number | null, total: number | null): ReportedUsage | null {
  if ((input ?? 0) + (output ?? 0) > 0) {
    return {
      input: input === null ? null : withoutZeros({ uncachedInput: input }),
      output: output === null ? null : withoutZeros({ outputText: output }),
    };
  }
  return total === null || total === 0 ? null : { input: null, output: null, total };
}
