import type { AnswerEvent, ChatAnswer, StreamEncoder } from '../../canonical/answer.ts';
import type { Billed } from '../../call.ts';
import type { ClientWriter, WriteContext } from '../../canonical/crossing.ts';
import type { Json } from '../../wire/json.ts';
import { RESPONSES_FACE } from './face.ts';
import { ItemIds, type OutputItem } from './items.ts';
import { ResponseOutput } from './output.ts';
import { thinkingShown, type ResponsesBody } from './request.ts';
import { begunResponse, endedResponse, endOf, responseTemplate } from './responseObject.ts';

/** A response as its client gets it. */
export interface WholeResponse {
  readonly id: string;
  readonly output: readonly OutputItem[];
  /** Epoch seconds. */
  readonly createdAt: number;
  /** JSON text. */
  readonly body: string;
}

export interface Written {
  readonly body: ResponsesBody;
  /** The response can be found again by its id. */
  readonly stored: boolean;
  /** Called once when an answer has ended, whole or streamed; its settlement is durable. Must not throw. */
  readonly onWhole?: (response: WholeResponse) => void;
}

/** Writes answers as responses. Nothing of a stream is written before the first content or finish of the answer. */
export function responsesWriter(written: Written): ClientWriter {
  return {
    face: RESPONSES_FACE,
    streamed: written.body.stream === true,
    encoder: (context) => new ResponsesEncoder(written, context),
    whole(answer: ChatAnswer, billed: Billed, context: WriteContext): string {
      const draft = new Draft(written, context, () => undefined);
      const [first] = answer.choices;
      if (first) draft.output.addWhole(first);
      return draft.end(billed);
    },
  };
}

/** A response in the making. */
class Draft {
  readonly template: Json;
  readonly output: ResponseOutput;
  readonly #ids: ItemIds;
  readonly #written: Written;
  readonly #context: WriteContext;

  constructor(written: Written, context: WriteContext, tell: (type: string, members: Json) => void) {
    this.#written = written;
    this.#context = context;
    this.#ids = new ItemIds(context.requestId);
    this.template = responseTemplate(written.body, written.stored, this.#ids, context);
    this.output = new ResponseOutput(this.#ids, thinkingShown(written.body), tell);
  }

  /** JSON text of the response. The item that was open when the answer was cut short is incomplete. */
  end(billed: Billed): string {
    this.output.close(endOf(this.output).status === 'completed' ? 'completed' : 'incomplete');
    const body = endedResponse(this.template, this.output, billed);
    const { createdAt } = this.#context;
    this.#written.onWhole?.({ id: this.#ids.response, output: this.output.items, createdAt, body });
    return body;
  }
}

class ResponsesEncoder implements StreamEncoder {
  readonly #draft: Draft;
  #events = 0;
  #text = '';

  constructor(written: Written, context: WriteContext) {
    this.#draft = new Draft(written, context, (type, members) => this.#tell(type, JSON.stringify(members)));
  }

  write(event: AnswerEvent): string {
    this.#draft.output.add(event);
    if (event.type === 'finish' && event.choice === 0) this.#open();
    return this.#taken();
  }

  ending(billed: Billed): string {
    this.#open();
    const response = this.#draft.end(billed);
    this.#write(`response.${endOf(this.#draft.output).status}`, `{"response":${response}}`);
    return this.#taken();
  }

  #tell(type: string, members: string): void {
    this.#open();
    this.#write(type, members);
  }

  #open(): void {
    if (this.#events > 0) return;
    const response = JSON.stringify({ response: begunResponse(this.#draft.template) });
    this.#write('response.created', response);
    this.#write('response.in_progress', response);
  }

  /** `members`: JSON text of an object that is not empty. */
  #write(type: string, members: string): void {
    const head = `{"type":"${type}","sequence_number":${String(this.#events)},`;
    this.#events += 1;
    this.#text += `event: ${type}\ndata: ${head}${members.slice(1)}\n\n`;
  }

  #taken(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }
}
