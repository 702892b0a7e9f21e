import type { AnswerChoice, AnswerEvent, FinishReason } from '../../canonical/answer.ts';
import type { Json } from '../../wire/json.ts';
import type {
  CallItem,
  ImageFormat,
  ImageItem,
  ItemIds,
  ItemStatus,
  MessageItem,
  OutputItem,
  OutputRefusal,
  OutputText,
  ReasoningItem,
} from './items.ts';

/** Hears of each step in the order in which OpenAI's streams tell them. Members are as they are now; they change later. */
export type Tell = (type: string, members: Json) => void;

/**
 * Folds an answer into the output items of a response. One item is open at a time, and it is closed when the next one
 * begins or the answer ends, for only then is it known whether it was cut short. Signatures and redacted thinking are
 * dropped: no client can give them back here. Answers beyond the first are dropped; none is ever asked for.
 */
export class ResponseOutput {
  readonly items: OutputItem[] = [];
  finish: FinishReason = 'stop';
  readonly #ids: ItemIds;
  readonly #thinkingShown: boolean;
  readonly #tell: Tell;
  #open: OutputItem | null = null;
  /** The summary part that is being written: thinking behind a signature is another part. */
  #summaryOpen = false;

  constructor(ids: ItemIds, thinkingShown: boolean, tell: Tell) {
    this.#ids = ids;
    this.#thinkingShown = thinkingShown;
    this.#tell = tell;
  }

  /** A refusal was put into words. */
  get refused(): boolean {
    return this.items.some((item) => item.type === 'message' && item.content.some(({ type }) => type === 'refusal'));
  }

  add(event: AnswerEvent): void {
    if ('choice' in event && event.choice !== 0) return;
    switch (event.type) {
      case 'text':
        if (event.text !== '') this.#addText(event.text);
        return;
      case 'refusal':
        if (event.text !== '') this.#addRefusal(event.text);
        return;
      case 'thinking':
        this.#addThinking(event.text);
        return;
      case 'redactedThinking':
        this.#reasoning();
        return;
      case 'signature':
        this.#closeSummary();
        return;
      case 'toolStart':
        this.#startCall(event.id, event.name);
        return;
      case 'toolArguments':
        this.#addArguments(event.json);
        return;
      case 'image':
        this.#addImage(event.mime, event.data);
        return;
      case 'finish':
        this.finish = event.reason;
        return;
      case 'start':
      case 'session':
      case 'toolEnd':
      case 'usage':
      case 'failed':
      case 'end':
        return;
    }
  }

  /** A whole answer at once; it gives the same items as its events do. */
  addWhole(choice: AnswerChoice): void {
    for (const part of choice.parts) {
      if (part.type === 'toolCall') {
        this.#startCall(part.id, part.name);
        this.#addArguments(part.arguments);
      } else this.add({ choice: 0, ...part });
      if (part.type === 'thinking' && part.signature !== null) this.#closeSummary();
    }
    this.finish = choice.finish;
  }

  /** Ends the item that is open; no events may follow. */
  close(status: ItemStatus): void {
    const item = this.#open;
    if (!item) return;
    this.#open = null;
    const place = this.#place(item);
    switch (item.type) {
      case 'message':
        this.#closeContent(item);
        item.status = status;
        break;
      case 'reasoning':
        this.#summaryOpen = this.#summaryOpen && this.#endSummary(item);
        break;
      case 'function_call':
        if (item.arguments === '') this.#append(item, '{}');
        item.status = status;
        this.#tell('response.function_call_arguments.done', { ...place, arguments: item.arguments });
        break;
      case 'image_generation_call':
        break;
    }
    this.#tell('response.output_item.done', { output_index: place.output_index, item });
  }

  #begin(item: OutputItem): void {
    this.close('completed');
    this.#open = item;
    this.items.push(item);
    this.#tell('response.output_item.added', { output_index: this.items.length - 1, item });
  }

  #place(item: OutputItem): { item_id: string; output_index: number } {
    return { item_id: item.id, output_index: this.items.length - 1 };
  }

  #message(): MessageItem {
    if (this.#open?.type === 'message') return this.#open;
    const id = this.#ids.item('msg', this.items.length);
    const item: MessageItem = { id, type: 'message', status: 'in_progress', role: 'assistant', content: [] };
    this.#begin(item);
    return item;
  }

  #addText(delta: string): void {
    const item = this.#message();
    const last = item.content.at(-1);
    const part: OutputText =
      last?.type === 'output_text' ? last : { type: 'output_text', text: '', annotations: [], logprobs: [] };
    if (part !== last) this.#beginContent(item, part);
    part.text += delta;
    this.#tell('response.output_text.delta', { ...this.#contentPlace(item), delta, logprobs: [] });
  }

  #addRefusal(delta: string): void {
    const item = this.#message();
    const last = item.content.at(-1);
    const part: OutputRefusal = last?.type === 'refusal' ? last : { type: 'refusal', refusal: '' };
    if (part !== last) this.#beginContent(item, part);
    part.refusal += delta;
    this.#tell('response.refusal.delta', { ...this.#contentPlace(item), delta });
  }

  #beginContent(item: MessageItem, part: OutputText | OutputRefusal): void {
    this.#closeContent(item);
    item.content.push(part);
    this.#tell('response.content_part.added', { ...this.#contentPlace(item), part });
  }

  #closeContent(item: MessageItem): void {
    const part = item.content.at(-1);
    if (!part) return;
    const place = this.#contentPlace(item);
    if (part.type === 'refusal') this.#tell('response.refusal.done', { ...place, refusal: part.refusal });
    else this.#tell('response.output_text.done', { ...place, text: part.text, logprobs: [] });
    this.#tell('response.content_part.done', { ...place, part });
  }

  #contentPlace(item: MessageItem): Json {
    return { ...this.#place(item), content_index: item.content.length - 1 };
  }

  #reasoning(): ReasoningItem {
    if (this.#open?.type === 'reasoning') return this.#open;
    const item: ReasoningItem = { id: this.#ids.item('rs', this.items.length), type: 'reasoning', summary: [] };
    this.#begin(item);
    return item;
  }

  #addThinking(delta: string): void {
    if (delta === '') return;
    const item = this.#reasoning();
    if (!this.#thinkingShown) return;
    if (!this.#summaryOpen) {
      this.#summaryOpen = true;
      item.summary.push({ type: 'summary_text', text: '' });
      this.#tell('response.reasoning_summary_part.added', { ...this.#summaryPlace(item), part: item.summary.at(-1) });
    }
    const part = item.summary.at(-1);
    if (part) part.text += delta;
    this.#tell('response.reasoning_summary_text.delta', { ...this.#summaryPlace(item), delta });
  }

  #closeSummary(): void {
    if (this.#summaryOpen && this.#open?.type === 'reasoning') this.#summaryOpen = this.#endSummary(this.#open);
  }

  #endSummary(item: ReasoningItem): false {
    const place = this.#summaryPlace(item);
    const part = item.summary.at(-1);
    this.#tell('response.reasoning_summary_text.done', { ...place, text: part?.text });
    this.#tell('response.reasoning_summary_part.done', { ...place, part });
    return false;
  }

  #summaryPlace(item: ReasoningItem): Json {
    return { ...this.#place(item), summary_index: item.summary.length - 1 };
  }

  #startCall(given: string | null, name: string): void {
    const index = this.items.length;
    const id = this.#ids.item('fc', index);
    const callId = this.#ids.call(given, index);
    this.#begin({ id, type: 'function_call', status: 'in_progress', call_id: callId, name, arguments: '' });
  }

  #addArguments(json: string): void {
    if (this.#open?.type === 'function_call' && json !== '') this.#append(this.#open, json);
  }

  #append(item: CallItem, delta: string): void {
    item.arguments += delta;
    this.#tell('response.function_call_arguments.delta', { ...this.#place(item), delta });
  }

  #addImage(mime: string, data: string): void {
    const id = this.#ids.item('ig', this.items.length);
    const format = IMAGE_FORMATS.get(mime);
    const item: ImageItem = {
      ...{ id, type: 'image_generation_call', status: 'in_progress', result: null },
      ...(format !== undefined && { output_format: format }),
    };
    this.#begin(item);
    item.status = 'completed';
    item.result = data;
    this.#tell('response.image_generation_call.completed', this.#place(item));
  }
}

const IMAGE_FORMATS: ReadonlyMap<string, ImageFormat> = new Map([
  ['image/png', 'png'],
  ['image/jpeg', 'jpeg'],
  ['image/webp', 'webp'],
]);
