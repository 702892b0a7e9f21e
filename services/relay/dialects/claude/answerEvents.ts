import type { Emit } from '../../canonical/answer.ts';
import { isObject, objectsIn, parseObject, textIn, type Json } from '../../wire/json.ts';
import { apiErrorText, statesError } from './errorEvents.ts';
import { finishOf } from './stopReasons.ts';
import { RunningUsage } from './usage.ts';

/** How much of an answer that is none is kept to be judged. */
const EXCERPT_CHARACTERS = 65_536;

interface OpenTool {
  readonly index: unknown;
  readonly call: number;
  /** What the block began with: whole arguments, from upstreams that send no pieces of them. */
  readonly input: unknown;
  hasArguments: boolean;
}

/**
 * Makes the events of an answer from those of a Claude stream. Dropped: citations, blocks of server tools, and whatever
 * is not known. An argument for a tool call that had ended cannot be placed, so it fails the answer.
 */
export class AnswerEvents {
  readonly #emit: Emit;
  readonly #usage = new RunningUsage();
  readonly #endedTools = new Set<unknown>();
  #tool: OpenTool | null = null;
  #calls = 0;
  #started = false;
  #finished = false;
  #over = false;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  take(name: string | null, data: Json): void {
    if (this.#over) return;
    if (statesError(name, data)) {
      this.fail(JSON.stringify(data));
      return;
    }
    switch (textIn(data['type']) || (name ?? '')) {
      case 'message_start':
        this.#start(isObject(data['message']) ? data['message'] : {});
        return;
      case 'content_block_start':
        if (isObject(data['content_block'])) this.#begin(data['index'], data['content_block']);
        return;
      case 'content_block_delta':
        if (isObject(data['delta'])) this.#continue(data['index'], data['delta']);
        return;
      case 'content_block_stop':
        if (this.#tool?.index === data['index']) this.#endTool();
        return;
      case 'message_delta':
        this.#take(data);
        return;
      case 'message_stop':
        this.#endTool();
        this.#over = true;
        this.#emit({ type: 'end' });
    }
  }

  /** A message that came in one piece. */
  takeWhole(message: Json): void {
    this.#start(message);
    for (const [index, block] of objectsIn(message['content']).entries()) this.#begin(index, block);
    this.#endTool();
    this.#take({ delta: message, usage: message['usage'] });
    this.take('message_stop', {});
  }

  fail(error: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#emit({ type: 'failed', error });
  }

  #start(message: Json): void {
    if (this.#started) return;
    this.#started = true;
    this.#emit({ type: 'start', id: textIn(message['id']) || null, model: textIn(message['model']) || null });
    this.#usage.open(message['usage']);
    this.#emit({ type: 'usage', usage: this.#usage.reported });
  }

  /** Blocks follow each other, so one that begins ends a tool call whose own end did not come. */
  #begin(index: unknown, block: Json): void {
    this.#endTool();
    switch (block['type']) {
      case 'text':
        this.#text('text', block['text']);
        return;
      case 'thinking':
        this.#text('thinking', block['thinking']);
        this.#sign(block['signature']);
        return;
      case 'redacted_thinking':
        this.#emit({ type: 'redactedThinking', choice: 0, data: textIn(block['data']) });
        return;
      case 'tool_use':
        this.#beginTool(index, block);
    }
  }

  #beginTool(index: unknown, block: Json): void {
    const call = this.#calls;
    this.#calls += 1;
    this.#tool = { index, call, input: block['input'], hasArguments: false };
    this.#emit({ type: 'toolStart', choice: 0, call, id: textIn(block['id']) || null, name: textIn(block['name']) });
  }

  #continue(index: unknown, delta: Json): void {
    if (delta['type'] === 'input_json_delta') {
      this.#addArguments(index, textIn(delta['partial_json']));
      return;
    }
    if (this.#tool && this.#tool.index !== index) this.#endTool();
    if (delta['type'] === 'text_delta') this.#text('text', delta['text']);
    else if (delta['type'] === 'thinking_delta') this.#text('thinking', delta['thinking']);
    else if (delta['type'] === 'signature_delta') this.#sign(delta['signature']);
  }

  #addArguments(index: unknown, json: string): void {
    if (json === '') return;
    const tool = this.#tool;
    if (tool && tool.index === index) {
      tool.hasArguments = true;
      this.#emit({ type: 'toolArguments', choice: 0, call: tool.call, json });
    } else if (this.#endedTools.has(index)) this.fail(apiErrorText('A tool call went on after its end.'));
  }

  #endTool(): void {
    if (!this.#tool) return;
    const { index, call, input, hasArguments } = this.#tool;
    this.#tool = null;
    this.#endedTools.add(index);
    if (!hasArguments && isObject(input) && Object.keys(input).length > 0) {
      this.#emit({ type: 'toolArguments', choice: 0, call, json: JSON.stringify(input) });
    }
    this.#emit({ type: 'toolEnd', choice: 0, call });
  }

  #text(type: 'text' | 'thinking', text: unknown): void {
    if (typeof text === 'string' && text !== '') this.#emit({ type, choice: 0, text });
  }

  #sign(signature: unknown): void {
    if (typeof signature === 'string' && signature !== '') this.#emit({ type: 'signature', choice: 0, signature });
  }

  /** The first stop reason holds; usage may come several times. */
  #take({ delta, usage }: Json): void {
    this.#endTool();
    if (isObject(usage)) {
      this.#usage.add(usage);
      this.#emit({ type: 'usage', usage: this.#usage.reported });
    }
    const reason = isObject(delta) ? delta['stop_reason'] : null;
    if (this.#finished || typeof reason !== 'string') return;
    this.#finished = true;
    const stopSequence = isObject(delta) ? textIn(delta['stop_sequence']) || null : null;
    this.#emit({ type: 'finish', choice: 0, reason: finishOf(reason, this.#calls > 0), stopSequence });
  }
}

/** The message that a text is; null when it is an error in disguise: no JSON, no object, or without content. */
export function parseMessage(text: string): Json | null {
  const message = parseObject(text);
  return message && !statesError(null, message) && Array.isArray(message['content']) ? message : null;
}

/** What is kept of a text that is no message. */
export function excerptOf(text: string): string {
  return text.slice(0, EXCERPT_CHARACTERS);
}
