import type { AnswerEvent, Emit } from '../../canonical/answer.ts';
import type { ChannelQuirks } from '../../ports.ts';
import { countsNothing, laterUsage, type ReportedUsage } from '../../usage/reported.ts';
import { isObject, objectsIn, textIn, type Json } from '../../wire/json.ts';
import { errorIn, failureOf, parseAnswer } from './chatAnswer.ts';
import { contentEvents } from './contentEvents.ts';
import { readFinish } from './finishReasons.ts';
import { atPath, readUsage } from './reportedUsage.ts';
import { ToolLine } from './toolLine.ts';

interface Choice {
  readonly line: ToolLine;
  refused: boolean;
  finished: boolean;
}

/** Turns the chunks of an answer, or the whole of it, into events. Never throws on what parses. */
export class AnswerEvents {
  readonly #emit: Emit;
  readonly #quirks: ChannelQuirks;
  readonly #choices = new Map<number, Choice>();
  #start: AnswerEvent | null = null;
  #usage: ReportedUsage | null = null;
  #over = false;

  constructor(emit: Emit, quirks: ChannelQuirks) {
    this.#emit = emit;
    this.#quirks = quirks;
  }

  take(chunk: Json): void {
    if (this.#over) return;
    const error = errorIn(chunk);
    if (error !== null) {
      this.fail(JSON.stringify({ error }));
      return;
    }
    const choices = objectsIn(chunk['choices']);
    // Azure begins with a chunk that has neither an id nor a choice.
    if (choices.length > 0 || textIn(chunk['id']) !== '') this.#begin(chunk);
    choices.forEach((choice, position) => this.#takeChoice(choice, position));
    this.#takeUsage(chunk);
  }

  /** The upstream says that the answer is whole. A choice that has not said how it ended has just stopped. */
  whole(): void {
    if (this.#over) return;
    for (const [index, choice] of this.#choices) {
      if (choice.finished) choice.line.end();
      else this.#finish(index, choice, 'stop');
    }
    this.#send({ type: 'end' });
    this.#over = true;
  }

  /** `error`: JSON text. */
  fail(error: string): void {
    if (this.#over) return;
    this.#emit({ type: 'failed', error });
    this.#over = true;
  }

  #begin(chunk: Json): void {
    if (this.#start) return;
    const { id, model } = chunk;
    this.#start = { type: 'start', id: textIn(id) || null, model: textIn(model) || null };
    this.#emit(this.#start);
  }

  #takeChoice(stated: Json, position: number): void {
    const index = Number.isSafeInteger(stated['index']) ? Math.max(0, stated['index'] as number) : position;
    const choice = this.#choice(index);
    const content = stated['delta'] ?? stated['message'];
    if (isObject(content)) this.#takeContent(index, choice, content);
    const reason = textIn(stated['finish_reason']);
    if (reason !== '') this.#finish(index, choice, reason);
  }

  #takeContent(index: number, choice: Choice, content: Json): void {
    for (const event of contentEvents(content, index, this.#quirks)) {
      if (event.type === 'refusal') choice.refused = true;
      choice.line.pass(event);
    }
    for (const call of objectsIn(content['tool_calls'])) choice.line.add(call);
    if (isObject(content['function_call'])) choice.line.add({ index: 0, function: content['function_call'] });
  }

  #finish(index: number, choice: Choice, stated: string): void {
    if (!choice.line.end()) {
      this.fail(JSON.stringify({ error: { message: 'a tool call had no name' } }));
      return;
    }
    choice.finished = true;
    const reason = readFinish(stated, { calledTools: choice.line.started > 0, refused: choice.refused });
    this.#send({ type: 'finish', choice: index, reason, stopSequence: null });
  }

  /** Usage may stand on any chunk. */
  #takeUsage(chunk: Json): void {
    const stated = atPath(chunk, this.#quirks.usagePath) ?? chunk['usage'];
    if (!isObject(stated)) return;
    const usage = readUsage(stated, this.#quirks);
    if (this.#usage && countsNothing(usage)) return;
    this.#usage = this.#usage ? laterUsage(this.#usage, usage) : usage;
    this.#begin(chunk);
    this.#send({ type: 'usage', usage: this.#usage });
  }

  #choice(index: number): Choice {
    let choice = this.#choices.get(index);
    if (!choice) {
      choice = { line: new ToolLine(index, (event) => this.#send(event)), refused: false, finished: false };
      this.#choices.set(index, choice);
    }
    return choice;
  }

  /** Nothing follows a failure, though other choices may be left to read. */
  #send(event: AnswerEvent): void {
    if (!this.#over) this.#emit(event);
  }
}

/** Emits the events of a whole answer; `failed` with its error, or the beginning of the text, when it is none. */
export function readWholeAnswer(text: string, emit: Emit, quirks: ChannelQuirks): void {
  const events = new AnswerEvents(emit, quirks);
  const answer = parseAnswer(text);
  if (!answer) {
    events.fail(failureOf(text));
    return;
  }
  events.take({ ...answer.body, choices: objectsIn(answer.body['choices']).map(withCallIndices) });
  events.whole();
}

/** In a message every entry is a call of its own, whatever its id. */
function withCallIndices(choice: Json): Json {
  const { message } = choice;
  if (!isObject(message)) return choice;
  const calls = objectsIn(message['tool_calls']).map((call, index) => ({ ...call, index }));
  return { ...choice, message: { ...message, tool_calls: calls } };
}
