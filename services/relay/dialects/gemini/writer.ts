import type {
  AnswerChoice,
  AnswerEvent,
  AnswerPart,
  ChatAnswer,
  FinishReason,
  StreamEncoder,
} from '../../canonical/answer.ts';
import type { ClientWriter, WriteContext } from '../../canonical/crossing.ts';
import type { Billed } from '../../call.ts';
import { parseObject, type Json } from '../../wire/json.ts';
import { writtenFinish } from './finishReasons.ts';
import { FACES, ItemFraming } from './itemFraming.ts';
import type { GeminiRequest } from './request.ts';
import { usageMetadata } from './usageMetadata.ts';

type Writing = Pick<GeminiRequest, 'framing' | 'thoughtsShown'>;

/**
 * Writes answers of other providers for a Gemini client. An answer is named after the request. Thoughts are shown only
 * to a client that asked for them.
 *
 * Dropped: signatures of thinking and redacted thinking, which mean nothing to Google, and the stop sequence that was met.
 */
export function geminiWriter(request: Writing): ClientWriter {
  return {
    face: FACES[request.framing],
    streamed: request.framing !== 'whole',
    encoder: (context) => new GeminiEncoder(request, context),
    whole: (answer, billed, context) => wholeAnswer(answer, billed, context, request.thoughtsShown),
  };
}

interface OpenCall {
  readonly id: string | null;
  readonly name: string;
  readonly signature: string | null;
  json: string;
}

class GeminiEncoder implements StreamEncoder {
  readonly #framing: ItemFraming;
  readonly #thoughtsShown: boolean;
  readonly #context: WriteContext;
  readonly #calls = new Map<number, OpenCall>();
  readonly #finishes = new Map<number, FinishReason>();

  constructor({ framing, thoughtsShown }: Writing, context: WriteContext) {
    this.#framing = new ItemFraming(framing);
    this.#thoughtsShown = thoughtsShown;
    this.#context = context;
  }

  /** A call goes out whole, as this dialect has no pieces of one. */
  write(event: AnswerEvent): string {
    switch (event.type) {
      case 'text':
      case 'refusal':
        return event.text === '' ? '' : this.#part(event.choice, { text: event.text });
      case 'thinking':
        return this.#thoughtsShown && event.text !== '' ? this.#part(event.choice, thought(event.text)) : '';
      case 'image':
        return this.#part(event.choice, image(event));
      case 'toolStart': {
        const { id, name, signature = null } = event;
        const before = this.#closeCall(event.choice);
        this.#calls.set(event.choice, { id, name, signature, json: '' });
        return before;
      }
      case 'toolArguments': {
        const open = this.#calls.get(event.choice);
        if (open) open.json += event.json;
        return '';
      }
      case 'toolEnd':
        return this.#closeCall(event.choice);
      case 'finish':
        this.#finishes.set(event.choice, event.reason);
        return this.#closeCall(event.choice);
      case 'start':
      case 'session':
      case 'signature':
      case 'redactedThinking':
      case 'usage':
      case 'failed':
      case 'end':
        return '';
    }
  }

  /** Strict clients want a part in the last item too. */
  ending({ usage }: Billed): string {
    const calls = [...this.#calls.keys()].map((choice) => this.#closeCall(choice)).join('');
    const finishes = this.#finishes.size > 0 ? [...this.#finishes] : [[0, 'stop'] as const];
    const candidates = finishes
      .sort(([left], [right]) => left - right)
      .map(([choice, reason]) => candidate(choice, [{ text: '' }], reason));
    return calls + this.#item({ candidates, usageMetadata: usageMetadata(usage) }) + this.#framing.close();
  }

  #closeCall(choice: number): string {
    const open = this.#calls.get(choice);
    if (!open) return '';
    this.#calls.delete(choice);
    return this.#part(choice, functionCall(open, open.json));
  }

  #part(choice: number, part: Json): string {
    return this.#item({ candidates: [candidate(choice, [part], null)] });
  }

  #item(members: Json): string {
    return this.#framing.item(JSON.stringify({ ...members, ...names(this.#context) }));
  }
}

function wholeAnswer(answer: ChatAnswer, { usage }: Billed, context: WriteContext, thoughtsShown: boolean): string {
  const candidates = answer.choices.map(({ parts, finish }: AnswerChoice, index) => {
    const written = parts.flatMap((part) => answerPart(part, thoughtsShown));
    return candidate(index, written.length > 0 ? written : [{ text: '' }], finish);
  });
  return JSON.stringify({ candidates, usageMetadata: usageMetadata(usage), ...names(context) });
}

function answerPart(part: AnswerPart, thoughtsShown: boolean): Json[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return [{ text: part.text }];
    case 'thinking':
      return thoughtsShown && part.text !== '' ? [thought(part.text)] : [];
    case 'redactedThinking':
      return [];
    case 'toolCall':
      return [functionCall(part, part.arguments)];
    case 'image':
      return [image(part)];
  }
}

function candidate(index: number, parts: readonly Json[], finish: FinishReason | null): Json {
  const content = { parts, role: 'model' };
  return finish === null ? { content, index } : { content, finishReason: writtenFinish(finish), index };
}

function thought(text: string): Json {
  return { text, thought: true };
}

function image({ mime, data }: { readonly mime: string; readonly data: string }): Json {
  return { inlineData: { mimeType: mime, data } };
}

/** Arguments must be an object here; what a model made of them otherwise cannot be carried, and they count as none. */
function functionCall(
  { id, name, signature }: { readonly id: string | null; readonly name: string; readonly signature: string | null },
  json: string,
): Json {
  return {
    functionCall: { ...(id !== null && { id }), name, args: parseObject(json) ?? {} },
    ...(signature !== null && { thoughtSignature: signature }),
  };
}

function names({ model, requestId }: WriteContext): Json {
  return { modelVersion: model, responseId: requestId.replaceAll('-', '') };
}
