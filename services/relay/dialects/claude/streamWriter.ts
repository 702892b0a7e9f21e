import type { AnswerEvent, FinishReason, StreamEncoder } from '../../canonical/answer.ts';
import type { WriteContext } from '../../canonical/crossing.ts';
import type { Billed } from '../../call.ts';
import type { Json } from '../../wire/json.ts';
import { billedUsage } from './billedUsage.ts';
import { apiErrorText } from './errorEvents.ts';
import { claudeEvent } from './face.ts';
import { messageId, toolUseId } from './ids.ts';
import { stopReasonOf } from './stopReasons.ts';
import { claudeUsage } from './usage.ts';

type Content = Extract<AnswerEvent, { choice: number }>;

interface OpenBlock {
  readonly type: 'text' | 'thinking' | 'redacted_thinking' | 'tool_use';
  /** The number of the tool call; null for other blocks. */
  readonly call: number | null;
}

/**
 * Writes a stream of Claude's events. Blocks never interleave: what comes in the middle of a tool call waits for its
 * end. The usage of the opening is a placeholder; the one that is billed stands at the end.
 */
export class StreamWriter implements StreamEncoder {
  readonly #context: WriteContext;
  readonly #thinkingShown: boolean;
  #upstreamId: string | null = null;
  #written = '';
  #opened = false;
  #open: OpenBlock | null = null;
  #blocks = 0;
  #waiting: Content[] = [];
  #told = { calls: false, refusal: false };
  #finish: FinishReason = 'stop';
  #stopSequence: string | null = null;

  constructor(context: WriteContext, thinkingShown: boolean) {
    this.#context = context;
    this.#thinkingShown = thinkingShown;
  }

  write(event: AnswerEvent): string {
    if (event.type === 'start') this.#upstreamId = event.id;
    else if ('choice' in event && event.choice === 0) this.#take(event);
    return this.#taken();
  }

  /** An answer that its provider broke off ends with an error event, as Claude's own would. */
  ending(billed: Billed): string {
    this.#openMessage();
    this.#closeBlocks();
    if (this.#finish === 'error') {
      this.#event('error', apiErrorText('The provider broke the answer off.'));
      return this.#taken();
    }
    const reason = stopReasonOf(this.#finish, this.#stopSequence, this.#told);
    const sequence = reason === 'stop_sequence' ? this.#stopSequence : null;
    const delta = JSON.stringify({ stop_reason: reason, stop_sequence: sequence });
    this.#event('message_delta', `{"type":"message_delta","delta":${delta},"usage":${billedUsage(billed)}}`);
    this.#event('message_stop', '{"type":"message_stop"}');
    return this.#taken();
  }

  #taken(): string {
    const written = this.#written;
    this.#written = '';
    return written;
  }

  #take(event: Content): void {
    if (this.#open?.type === 'tool_use' && WAITS.has(event.type)) {
      this.#waiting.push(event);
      return;
    }
    switch (event.type) {
      case 'text':
      case 'refusal':
        if (event.text === '') return;
        this.#told.refusal ||= event.type === 'refusal';
        this.#delta('text', { type: 'text_delta', text: event.text });
        return;
      case 'thinking':
        if (event.text !== '') this.#think({ type: 'thinking_delta', thinking: event.text });
        return;
      case 'signature':
        this.#think({ type: 'signature_delta', signature: event.signature });
        // Thinking after its signature is another block.
        if (this.#open?.type === 'thinking') this.#closeBlock();
        return;
      case 'redactedThinking':
        if (!this.#thinkingShown) return;
        this.#openBlock({ type: 'redacted_thinking', data: event.data });
        this.#closeBlock();
        return;
      case 'toolStart':
        this.#startTool(event);
        return;
      case 'toolArguments':
        if (this.#open?.call !== event.call || event.json === '') return;
        this.#blockDelta({ type: 'input_json_delta', partial_json: event.json });
        return;
      case 'toolEnd':
        if (this.#open?.call === event.call) this.#closeBlock();
        return;
      case 'image':
        return;
      case 'finish':
        this.#finish = event.reason;
        this.#stopSequence = event.stopSequence;
        this.#openMessage();
    }
  }

  #startTool({ id, name, call }: Extract<AnswerEvent, { type: 'toolStart' }>): void {
    this.#told.calls = true;
    this.#openBlock({ type: 'tool_use', id: toolUseId(id, this.#context.requestId, call), name, input: {} }, call);
  }

  #think(delta: object): void {
    if (this.#thinkingShown) this.#delta('thinking', delta);
  }

  #delta(type: 'text' | 'thinking', delta: object): void {
    if (this.#open?.type !== type) this.#openBlock(EMPTY_BLOCKS[type]);
    this.#blockDelta(delta);
  }

  #openMessage(): void {
    if (this.#opened) return;
    this.#opened = true;
    const { requestId, model } = this.#context;
    const message = {
      id: messageId(this.#upstreamId, requestId),
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: claudeUsage({}),
    };
    this.#event('message_start', JSON.stringify({ type: 'message_start', message }));
  }

  #openBlock(block: Json & Pick<OpenBlock, 'type'>, call: number | null = null): void {
    this.#closeBlocks();
    this.#openMessage();
    this.#blockEvent('content_block_start', { content_block: block });
    this.#open = { type: block.type, call };
  }

  #blockDelta(delta: object): void {
    this.#blockEvent('content_block_delta', { delta });
  }

  /** What has waited for the end of a tool call may open a block of its own. */
  #closeBlocks(): void {
    while (this.#open) this.#closeBlock();
  }

  #closeBlock(): void {
    if (!this.#open) return;
    this.#open = null;
    this.#blockEvent('content_block_stop', {});
    this.#blocks += 1;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const event of waiting) this.#take(event);
  }

  #blockEvent(type: string, more: object): void {
    this.#event(type, JSON.stringify({ type, index: this.#blocks, ...more }));
  }

  #event(type: string, json: string): void {
    this.#written += claudeEvent(type, json);
  }
}

const WAITS: ReadonlySet<string> = new Set(['text', 'refusal', 'thinking', 'signature', 'redactedThinking']);

const EMPTY_BLOCKS = {
  text: { type: 'text', text: '' },
  thinking: { type: 'thinking', thinking: '', signature: '' },
} as const;
