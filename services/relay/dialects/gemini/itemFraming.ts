import type { ClientFace } from '../../call.ts';
import { GEMINI_ARRAY_FACE, GEMINI_SSE_FACE, GEMINI_WHOLE_FACE } from './face.ts';

/** How a client gets its answer: server-sent events, one JSON array that grows, or one object. */
export type Framing = 'sse' | 'array' | 'whole';

export const FACES: Readonly<Record<Framing, ClientFace>> = {
  sse: GEMINI_SSE_FACE,
  array: GEMINI_ARRAY_FACE,
  whole: GEMINI_WHOLE_FACE,
};

export function contentTypeOf(framing: Framing): string {
  return FACES[framing].streamType ?? 'application/json; charset=utf-8';
}

/** Puts the pieces of one streamed answer into the client's framing. */
export class ItemFraming {
  readonly #isArray: boolean;
  #begun = false;

  constructor(framing: Framing) {
    this.#isArray = framing === 'array';
  }

  /** `json` is the text of an object. It has line breaks only between its tokens, and an event of ours is one line. */
  item(json: string): string {
    const line = /[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, ' ') : json;
    if (!this.#isArray) return `data: ${line}\r\n\r\n`;
    const before = this.#begun ? ',\n' : '[';
    this.#begun = true;
    return before + line;
  }

  /** What follows the last item. Server-sent events of this dialect have no terminator. */
  close(): string {
    return this.#isArray ? ']' : '';
  }
}
