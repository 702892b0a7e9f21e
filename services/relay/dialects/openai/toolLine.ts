import type { AnswerEvent, Emit } from '../../canonical/answer.ts';
import { isObject, textIn, type Json } from '../../wire/json.ts';
import { JsonEnd } from './jsonEnd.ts';

interface Fragment {
  readonly index: number | null;
  readonly id: string | null;
  readonly name: string;
  readonly json: string;
  readonly signature: string | null;
}

interface Call {
  readonly index: number | null;
  id: string | null;
  name: string;
  /** The arguments so far, emitted or not. */
  json: string;
  signature: string | null;
  readonly end: JsonEnd;
  ended: boolean;
}

/**
 * Puts the events of one choice in line: fragments of parallel calls may be mixed, and text may come between them, but
 * the events of one call follow each other. One call is open; what belongs behind it waits until its arguments are
 * complete or the choice ends.
 */
export class ToolLine {
  readonly #choice: number;
  readonly #emit: Emit;
  readonly #calls: Call[] = [];
  #waiting: (Call | AnswerEvent)[] = [];
  #open: Call | null = null;
  #started = 0;

  constructor(choice: number, emit: Emit) {
    this.#choice = choice;
    this.#emit = emit;
  }

  /** Calls that were started. */
  get started(): number {
    return this.#started;
  }

  /** Takes an event that belongs to no call. */
  pass(event: AnswerEvent): void {
    this.#waiting.push(event);
    this.#advance();
  }

  /**
   * Takes a fragment of a call. Arguments that are said again, as some upstreams do at the end, are dropped, and so is
   * what comes for a call behind which others were begun.
   */
  add(delta: Json): void {
    const fragment = fragmentOf(delta);
    const call = this.#callOf(fragment) ?? this.#begin(fragment);
    if (call.ended) return;
    call.id ??= fragment.id;
    call.signature ??= fragment.signature;
    if (call.name === '') call.name = fragment.name;
    if (!call.end.complete || fragment.json !== call.json) {
      call.end.feed(fragment.json);
      call.json += fragment.json;
      if (call === this.#open) this.#emitArguments(fragment.json);
    }
    this.#advance();
  }

  /** The choice has ended: nothing can follow. False when a call with arguments has no name. */
  end(): boolean {
    this.#close();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const next of waiting) {
      if (!isCall(next)) this.#emit(next);
      else if (next.name !== '') {
        this.#start(next);
        this.#close();
      } else if (next.json.trim() !== '') return false;
    }
    return true;
  }

  #advance(): void {
    let taken = 0;
    for (const next of this.#waiting) {
      if (this.#open && !this.#open.end.complete) break;
      this.#close();
      if (isCall(next) && next.name === '') break;
      taken += 1;
      if (isCall(next)) this.#start(next);
      else this.#emit(next);
    }
    this.#waiting.splice(0, taken);
  }

  #start(call: Call): void {
    const { id, name, signature } = call;
    const place = { choice: this.#choice, call: this.#started };
    this.#open = call;
    this.#started += 1;
    this.#emit({ type: 'toolStart', ...place, id, name, ...(signature !== null && { signature }) });
    this.#emitArguments(call.json);
  }

  #emitArguments(json: string): void {
    if (json === '') return;
    this.#emit({ type: 'toolArguments', choice: this.#choice, call: this.#started - 1, json });
  }

  #close(): void {
    if (!this.#open) return;
    this.#open.ended = true;
    this.#open = null;
    this.#emit({ type: 'toolEnd', choice: this.#choice, call: this.#started - 1 });
  }

  #begin({ index }: Fragment): Call {
    const call: Call = { index, id: null, name: '', json: '', signature: null, end: new JsonEnd(), ended: false };
    this.#calls.push(call);
    this.#waiting.push(call);
    return call;
  }

  /** By index, where the upstream gives one; else by id; a fragment without either goes on with the last call. */
  #callOf(fragment: Fragment): Call | null {
    const { index, id } = fragment;
    if (index === null && id !== null) return this.#calls.findLast((call) => call.id === id) ?? null;
    const call = index === null ? this.#calls.at(-1) : this.#calls.findLast((earlier) => earlier.index === index);
    return call && !isAnother(call, fragment) ? call : null;
  }
}

/**
 * Some upstreams number all their calls 0, and others not at all. A new id counts only with a name: some upstreams
 * change it at every fragment.
 */
function isAnother(call: Call, { id, name, json }: Fragment): boolean {
  if (name === '' || call.name === '') return false;
  if (id !== null && call.id !== null) return id !== call.id;
  return name !== call.name || (call.end.complete && json.trim() !== '');
}

function fragmentOf(delta: Json): Fragment {
  const stated = isObject(delta['function']) ? delta['function'] : {};
  const extra = isObject(delta['extra_content']) ? delta['extra_content']['google'] : null;
  return {
    index: typeof delta['index'] === 'number' ? delta['index'] : null,
    id: textIn(delta['id']) || null,
    name: textIn(stated['name']),
    json: argumentsText(stated['arguments']),
    signature: (isObject(extra) && textIn(extra['thought_signature'])) || null,
  };
}

/** Some upstreams give the object instead of its text. */
function argumentsText(stated: unknown): string {
  return isObject(stated) ? JSON.stringify(stated) : textIn(stated);
}

function isCall(next: Call | AnswerEvent): next is Call {
  return 'end' in next;
}
