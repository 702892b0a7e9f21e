import type { Emit, FinishReason } from '../../canonical/answer.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { isObject, objectsIn, parseObject, textIn, type Json } from '../../wire/json.ts';
import { JsonLines } from '../../wire/jsonLines.ts';

/** A line of an answer: the object, and the text that it came as. */
export interface Line {
  readonly json: Json;
  readonly text: string;
}

/** How much of an answer that is none is kept to be judged. */
const EXCERPT_CHARACTERS = 65_536;

/**
 * Turns the lines of one answer, of `/api/chat` or of `/api/generate`, into events. A line of unknown members means
 * nothing. After the done line or an error every further line is ignored.
 */
export class AnswerLines {
  readonly #emit: Emit;
  #begun = false;
  #over = false;
  #empty = true;
  #calls = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  take(line: Json): void {
    if (this.#over) return;
    if (statesError(line)) {
      this.fail(JSON.stringify(line));
      return;
    }
    if (!this.#begun) this.#emit({ type: 'start', id: null, model: textIn(line['model']) || null });
    this.#begun = true;
    this.#takeContent(line);
    if (line['done'] === true) this.#finish(line);
  }

  /** The answer cannot be read on. `error`: JSON text, or an excerpt of what came. */
  fail(error: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#emit({ type: 'failed', error: error.slice(0, EXCERPT_CHARACTERS) });
  }

  /** The stream itself is broken. */
  fault(message: string): void {
    this.fail(JSON.stringify({ error: message }));
  }

  #takeContent(line: Json): void {
    const thinking = thinkingIn(line);
    const text = contentIn(line);
    const calls = callsIn(line);
    if (thinking !== '') this.#emit({ type: 'thinking', choice: 0, text: thinking });
    if (text !== '') this.#emit({ type: 'text', choice: 0, text });
    for (const call of calls) this.#takeCall(call);
    if (thinking !== '' || text !== '' || calls.length > 0) this.#empty = false;
  }

  /** A call arrives whole. */
  #takeCall(stated: Json): void {
    const call = this.#calls;
    this.#calls += 1;
    const { name, arguments: input } = isObject(stated['function']) ? stated['function'] : {};
    this.#emit({ type: 'toolStart', choice: 0, call, id: textIn(stated['id']) || null, name: textIn(name) });
    const json = isObject(input) ? JSON.stringify(input) : textIn(input);
    if (json !== '') this.#emit({ type: 'toolArguments', choice: 0, call, json });
    this.#emit({ type: 'toolEnd', choice: 0, call });
  }

  #finish(line: Json): void {
    this.#over = true;
    this.#emit({ type: 'usage', usage: readCounts(line, this.#empty) });
    this.#emit({ type: 'finish', choice: 0, reason: this.#reason(line['done_reason']), stopSequence: null });
    this.#emit({ type: 'end' });
  }

  /** An answer with tool calls ends with `stop` like any other one. */
  #reason(stated: unknown): FinishReason {
    if (stated === 'length') return 'length';
    return this.#calls > 0 ? 'tool_calls' : 'stop';
  }
}

/** What the model said on a line. */
export function contentIn(line: Json): string {
  return textIn(messageIn(line)['content']) || textIn(line['response']);
}

export function thinkingIn(line: Json): string {
  return textIn(messageIn(line)['thinking']) || textIn(line['thinking']);
}

export function callsIn(line: Json): readonly Json[] {
  return objectsIn(messageIn(line)['tool_calls']);
}

export function messageIn(line: Json): Json {
  return isObject(line['message']) ? line['message'] : {};
}

function statesError(line: Json): boolean {
  return Boolean(line['error']);
}

/**
 * The counts of a done line. Ollama leaves out what is 0. No prompt has 0 tokens, and neither has an answer that is not
 * `empty`, so there a missing count was not reported.
 */
function readCounts(line: Json, empty: boolean): ReportedUsage {
  const input = countIn(line['prompt_eval_count']);
  const output = countIn(line['eval_count']);
  return {
    input: input ? { uncachedInput: input } : null,
    output: output ? { outputText: output } : output === 0 && empty ? {} : null,
  };
}

/** Null for what is no count. */
function countIn(stated: unknown): number | null {
  if (stated === undefined || stated === null) return 0;
  return typeof stated === 'number' && Number.isSafeInteger(stated) && stated >= 0 ? stated : null;
}

/**
 * The lines of an answer that does not have the content type of a stream: one object as a rule, but the lines of a
 * stream that a proxy has labelled otherwise are read too. Null when there is no answer and no error among them.
 */
export function linesOfWhole(text: string): readonly Line[] | null {
  const whole = parseObject(text);
  const lines = whole ? [asDone(whole, text)] : separateLines(text);
  return lines?.some(({ json }) => isAnswerLine(json)) ? lines : null;
}

/** A whole answer is done, whether it says so or not. */
function asDone(json: Json, text: string): Line {
  if (json['done'] !== undefined || statesError(json)) return { json, text };
  const done = { ...json, done: true };
  return { json: done, text: JSON.stringify(done) };
}

function separateLines(text: string): readonly Line[] | null {
  const lines: Line[] = [];
  const faults: string[] = [];
  const reader = new JsonLines({
    line: (json, line) => lines.push({ json, text: line }),
    fault: (message) => faults.push(message),
  });
  reader.feed(Buffer.from(text));
  reader.end();
  return faults.length > 0 ? null : lines;
}

function isAnswerLine(json: Json): boolean {
  return statesError(json) || isObject(json['message']) || typeof json['response'] === 'string';
}
