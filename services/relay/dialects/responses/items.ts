/** Items of a response's `output`, as they are written; they grow while an answer arrives. */
export type OutputItem = MessageItem | CallItem | ReasoningItem | ImageItem;

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

export interface MessageItem {
  readonly id: string;
  readonly type: 'message';
  status: ItemStatus;
  readonly role: 'assistant';
  readonly content: (OutputText | OutputRefusal)[];
}

export interface OutputText {
  readonly type: 'output_text';
  text: string;
  readonly annotations: never[];
  readonly logprobs: never[];
}

export interface OutputRefusal {
  readonly type: 'refusal';
  refusal: string;
}

export interface CallItem {
  readonly id: string;
  readonly type: 'function_call';
  status: ItemStatus;
  readonly call_id: string;
  readonly name: string;
  arguments: string;
}

/** The summary is empty unless the client asked for one. */
export interface ReasoningItem {
  readonly id: string;
  readonly type: 'reasoning';
  readonly summary: { readonly type: 'summary_text'; text: string }[];
}

export interface ImageItem {
  readonly id: string;
  readonly type: 'image_generation_call';
  status: 'in_progress' | 'completed';
  /** Base64. */
  result: string | null;
  readonly output_format?: ImageFormat;
}

export type ImageFormat = 'png' | 'jpeg' | 'webp';

/** Makes the ids of one response: all from our request id, for providers' own ids need not be unique. */
export class ItemIds {
  readonly #base: string;
  readonly #calls = new Set<string>();

  constructor(requestId: string) {
    this.#base = requestId.replaceAll('-', '');
  }

  get response(): string {
    return `resp_${this.#base}`;
  }

  item(prefix: 'msg' | 'fc' | 'rs' | 'ig', index: number): string {
    return `${prefix}_${this.#base}_${String(index)}`;
  }

  /** The provider's id of a call, unless it has none or gave it to a call before. */
  call(given: string | null, index: number): string {
    const id = given === null || given === '' || this.#calls.has(given) ? `call_${this.#base}_${String(index)}` : given;
    this.#calls.add(id);
    return id;
  }
}
