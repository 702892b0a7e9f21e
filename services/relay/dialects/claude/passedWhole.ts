import type { AnswerReading, Billed } from '../../call.ts';
import { NOTHING_REPORTED, type ReportedUsage } from '../../usage/reported.ts';
import { isObject, objectsIn, type Json } from '../../wire/json.ts';
import { spliceUsage } from '../../usage/usageCost.ts';
import { excerptOf, parseMessage } from './answerEvents.ts';
import { billedUsage } from './billedUsage.ts';
import { ReceivedBlocks } from './receivedBlocks.ts';
import { RunningUsage } from './usage.ts';

/** A whole answer on its way to a client of the same dialect: its own bytes but for the usage, and the model where that has another name. */
export class PassedWhole implements AnswerReading {
  readonly contentType = 'application/json; charset=utf-8';
  readonly stopRequest = null;
  readonly received = new ReceivedBlocks();
  readonly #renameTo: string | null;
  readonly #chunks: Buffer[] = [];
  #answer: { readonly text: string; readonly message: Json } | null = null;
  #failure: string | null = null;
  #reported: ReportedUsage = NOTHING_REPORTED;

  constructor(renameTo: string | null) {
    this.#renameTo = renameTo;
  }

  get done(): boolean {
    return this.#answer !== null;
  }

  get failure(): string | null {
    return this.#failure;
  }

  get reported(): ReportedUsage {
    return this.#reported;
  }

  feed(chunk: Buffer): string {
    this.#chunks.push(chunk);
    return '';
  }

  end(): string {
    const text = Buffer.concat(this.#chunks).toString('utf8').trim();
    const message = parseMessage(text);
    if (!message) {
      this.#failure = excerptOf(text);
      return '';
    }
    this.#answer = { text, message };
    for (const block of objectsIn(message['content'])) this.received.add(block);
    this.received.stop(message['stop_reason']);
    const usage = new RunningUsage();
    usage.add(message['usage']);
    this.#reported = usage.reported;
    return '';
  }

  ending(billed: Billed): string {
    if (!this.#answer) return '';
    const { text, message } = this.#answer;
    const stated = isObject(message['usage']) ? message['usage'] : {};
    const usage = billedUsage(billed, stated);
    if (this.#renameTo === null || message['model'] === this.#renameTo) {
      const spliced = spliceUsage(text, message['usage'], usage);
      if (spliced !== null) return spliced;
    }
    const { usage: _replaced, ...rest } = message;
    const renamed = this.#renameTo === null ? rest : { ...rest, model: this.#renameTo };
    return `${JSON.stringify(renamed).slice(0, -1)},"usage":${usage}}`;
  }
}
