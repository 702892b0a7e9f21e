import type { AnswerReading, Billed } from '../../call.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { objectsIn, textIn, type Json } from '../../wire/json.ts';
import { excerptOf, parseMessage } from './answerEvents.ts';
import { PassedStream } from './passedStream.ts';
import type { ReceivedBlocks } from './receivedBlocks.ts';

/** A whole answer from an upstream that was asked for a stream, on its way to a client that waits for one. */
export class UnstreamedAnswer implements AnswerReading {
  readonly stopRequest = null;
  readonly #stream: PassedStream;
  readonly #chunks: Buffer[] = [];

  constructor(renameTo: string | null) {
    this.#stream = new PassedStream(renameTo);
  }

  get contentType(): string {
    return this.#stream.contentType;
  }

  get done(): boolean {
    return this.#stream.done;
  }

  get failure(): string | null {
    return this.#stream.failure;
  }

  get received(): ReceivedBlocks {
    return this.#stream.received;
  }

  get reported(): ReportedUsage {
    return this.#stream.reported;
  }

  feed(chunk: Buffer): string {
    this.#chunks.push(chunk);
    return '';
  }

  end(): string {
    const text = Buffer.concat(this.#chunks).toString('utf8').trim();
    const message = parseMessage(text);
    if (message) for (const event of eventsOf(message)) this.#stream.take(null, event, JSON.stringify(event));
    else this.#stream.fail(excerptOf(text));
    return this.#stream.taken();
  }

  ending(billed: Billed): string {
    return this.#stream.ending(billed);
  }
}

/** The events of a stream that say what a whole message says. */
function eventsOf(message: Json): Json[] {
  const { content, stop_reason, stop_sequence, stop_details, usage, ...opening } = message;
  const begun = { ...opening, content: [], stop_reason: null, stop_sequence: null, usage };
  return [
    { type: 'message_start', message: begun },
    ...objectsIn(content).flatMap(blockEvents),
    { type: 'message_delta', delta: { stop_reason, stop_sequence, stop_details }, usage },
    { type: 'message_stop' },
  ];
}

function blockEvents(block: Json, index: number): Json[] {
  const { begun, deltas } = divided(block);
  return [
    { type: 'content_block_start', index, content_block: begun },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
}

/** What a block begins with, and what clients expect in deltas. A block of another type begins as a whole. */
function divided(block: Json): { begun: Json; deltas: Json[] } {
  switch (block['type']) {
    case 'text':
      return { begun: { ...block, text: '' }, deltas: [{ type: 'text_delta', text: block['text'] }] };
    case 'thinking': {
      const { thinking, signature } = block;
      const proof = textIn(signature) === '' ? [] : [{ type: 'signature_delta', signature }];
      return {
        begun: { ...block, thinking: '', signature: '' },
        deltas: [{ type: 'thinking_delta', thinking }, ...proof],
      };
    }
    case 'tool_use':
    case 'server_tool_use':
      return {
        begun: { ...block, input: {} },
        deltas: [{ type: 'input_json_delta', partial_json: JSON.stringify(block['input'] ?? {}) }],
      };
    default:
      return { begun: block, deltas: [] };
  }
}
