import type { Emit } from '../../canonical/answer.ts';
import { laterUsage, NOTHING_REPORTED, type ReportedUsage } from '../../usage/reported.ts';
import { isObject, objectsIn, textIn, type Json } from '../../wire/json.ts';
import { readFinish } from './finishReasons.ts';
import { readUsage } from './reportedUsage.ts';
import { clientToolName } from './toolNames.ts';

interface Choice {
  calls: number;
  hasContent: boolean;
  /** The last finish reason that was stated; some upstreams state one with every fragment. */
  finish: string | null;
}

/** Why a prompt was blocked; null when it was not. */
export function blockReason(fragment: Json): string | null {
  const feedback = fragment['promptFeedback'];
  const reason = isObject(feedback) ? textIn(feedback['blockReason']) : '';
  return reason === '' || reason === 'BLOCK_REASON_UNSPECIFIED' ? null : reason;
}

export function candidatesIn(fragment: Json): readonly Json[] {
  return objectsIn(fragment['candidates']);
}

/** None for a candidate without content, or whose content has no parts. */
export function partsIn(candidate: Json): readonly Json[] {
  const { content } = candidate;
  return isObject(content) ? objectsIn(content['parts']) : [];
}

/**
 * Reads an answer from its fragments: the pieces of a stream, or the one object of a whole answer. Reasons to finish
 * are kept until `end`, because only then it is known whether the answer has calls.
 *
 * Dropped: thought signatures outside of function calls, which prove nothing to other providers; audio and video, and
 * what belongs to tools that cannot be asked for through a `ChatPrompt`.
 */
export class AnswerFragments {
  readonly #emit: Emit;
  readonly #native: boolean;
  readonly #choices = new Map<number, Choice>();
  #usage: ReportedUsage = NOTHING_REPORTED;
  #started = false;
  #over = false;

  /**
   * `native`: the client speaks this dialect too, and the events are there for billing. A blocked prompt is then an
   * answer that was filtered, not a failure, and media of every kind and code count as content.
   */
  constructor(emit: Emit, { native }: { readonly native: boolean }) {
    this.#emit = emit;
    this.#native = native;
  }

  take(fragment: Json): void {
    if (this.#over) return;
    const { error } = fragment;
    if (error) {
      this.fail(JSON.stringify({ error }));
      return;
    }
    this.#start(fragment);
    this.#takeUsage(fragment['usageMetadata']);
    for (const [position, candidate] of candidatesIn(fragment).entries()) this.#takeCandidate(candidate, position);
    const blocked = blockReason(fragment);
    if (blocked !== null) this.#block(blocked);
  }

  /** `error`: JSON text or an excerpt of what was no answer. */
  fail(error: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#emit({ type: 'failed', error });
  }

  /** The upstream has closed. A stream is whole when each answer has its reason; `whole` tells that it is in any case. */
  end({ whole }: { readonly whole: boolean }): void {
    if (this.#over || this.#choices.size === 0) return;
    this.#over = true;
    let finished = true;
    for (const [choice, answer] of this.#choices) {
      const stated = answer.finish ?? (whole ? 'STOP' : null);
      if (stated === null) finished = false;
      else this.#emit({ type: 'finish', choice, reason: readFinish(stated, answer), stopSequence: null });
    }
    if (finished) this.#emit({ type: 'end' });
  }

  /** Nothing but usage has come: no answer, no failure. */
  get isEmpty(): boolean {
    return this.#choices.size === 0 && !this.#over;
  }

  #start(fragment: Json): void {
    if (this.#started) return;
    this.#started = true;
    const id = textIn(fragment['responseId']) || null;
    this.#emit({ type: 'start', id, model: textIn(fragment['modelVersion']) || null });
  }

  #takeUsage(metadata: unknown): void {
    const read = readUsage(metadata);
    if (!read.input && !read.output) return;
    this.#usage = laterUsage(this.#usage, read);
    this.#emit({ type: 'usage', usage: this.#usage });
  }

  #takeCandidate(candidate: Json, position: number): void {
    const { index } = candidate;
    const choice = typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 ? index : position;
    const answer = this.#choice(choice);
    for (const part of partsIn(candidate)) this.#takePart(part, choice, answer);
    answer.finish = textIn(candidate['finishReason']) || answer.finish;
  }

  #takePart(part: Json, choice: number, answer: Choice): void {
    const text = textIn(part['text']);
    if (text !== '') {
      this.#emit({ type: part['thought'] === true ? 'thinking' : 'text', choice, text });
      answer.hasContent ||= part['thought'] !== true;
    }
    const { functionCall, inlineData, executableCode } = part;
    if (isObject(functionCall)) this.#takeCall(functionCall, textIn(part['thoughtSignature']), choice, answer);
    if (isObject(executableCode) && this.#native) {
      this.#emit({ type: 'text', choice, text: textIn(executableCode['code']) });
    }
    if (isObject(inlineData) && part['thought'] !== true) this.#takeMedia(inlineData, choice, answer);
  }

  #takeMedia(stated: Json, choice: number, answer: Choice): void {
    const mime = textIn(stated['mimeType']);
    const data = textIn(stated['data']);
    if (data === '' || !(this.#native || mime.startsWith('image/'))) return;
    this.#emit({ type: 'image', choice, mime, data });
    answer.hasContent = true;
  }

  /** Calls arrive whole. One without a name cannot be answered, so it is none. */
  #takeCall(stated: Json, signature: string, choice: number, answer: Choice): void {
    const name = clientToolName(textIn(stated['name']));
    if (name === '') return;
    const call = answer.calls;
    answer.calls += 1;
    answer.hasContent = true;
    const id = textIn(stated['id']) || null;
    this.#emit({ type: 'toolStart', choice, call, id, name, ...(signature !== '' && { signature }) });
    if (isObject(stated['args'])) {
      this.#emit({ type: 'toolArguments', choice, call, json: JSON.stringify(stated['args']) });
    }
    this.#emit({ type: 'toolEnd', choice, call });
  }

  #block(reason: string): void {
    const hasContent = [...this.#choices.values()].some((answer) => answer.hasContent);
    if (!this.#native && !hasContent) {
      const message = `The prompt was blocked: ${reason}`;
      this.fail(JSON.stringify({ error: { code: 400, status: 'CONTENT_FILTER', message } }));
      return;
    }
    this.#choice(0);
    for (const answer of this.#choices.values()) answer.finish = 'PROHIBITED_CONTENT';
  }

  #choice(index: number): Choice {
    let choice = this.#choices.get(index);
    if (!choice) {
      choice = { calls: 0, hasContent: false, finish: null };
      this.#choices.set(index, choice);
    }
    return choice;
  }
}
