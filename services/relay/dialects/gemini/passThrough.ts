import type { AnswerEvent } from '../../canonical/answer.ts';
import { ReceivedEvents } from '../../canonical/receivedEvents.ts';
import type { AnswerReading, Billed, Passage } from '../../call.ts';
import { NOTHING_REPORTED, type ReportedUsage } from '../../usage/reported.ts';
import { isObject, type Json } from '../../wire/json.ts';
import { AnswerFragments, blockReason, candidatesIn, partsIn } from './answerFragments.ts';
import { GeminiEvents, objectsOf } from './geminiEvents.ts';
import { contentTypeOf, ItemFraming } from './itemFraming.ts';
import { readUsage } from './reportedUsage.ts';
import type { GeminiRequest } from './request.ts';
import { EXCERPT_CHARACTERS, geminiRequest } from './upstream.ts';
import { upstreamBody } from './upstreamBody.ts';
import { shownMetadata } from './usageMetadata.ts';

/** A Gemini client's call on its way to a Gemini upstream. A blocked prompt is an answer here: Google's own, under 200. */
export function geminiPassage(request: GeminiRequest, upstreamModel: string, maxOutput: number): Passage {
  const streamed = request.framing !== 'whole';
  const renameTo = upstreamModel === request.model ? null : request.model;
  return {
    request: geminiRequest(upstreamModel, streamed, upstreamBody(request, maxOutput, upstreamModel)),
    read: () => (streamed ? new StreamedAnswer(request, renameTo) : new WholeAnswer(renameTo)),
  };
}

/** What an answer comes to for billing, folded from its fragments. */
class Account {
  readonly received = new ReceivedEvents();
  readonly fragments = new AnswerFragments((event) => this.#note(event), { native: true });
  done = false;
  failure: string | null = null;
  reported: ReportedUsage = NOTHING_REPORTED;
  /** The last usageMetadata that counts something. */
  stated: Json | null = null;

  take(fragment: Json): void {
    this.fragments.take(fragment);
    const { usageMetadata } = fragment;
    const { input, output } = readUsage(usageMetadata);
    if (isObject(usageMetadata) && (input ?? output)) this.stated = usageMetadata;
  }

  #note(event: AnswerEvent): void {
    this.received.add(event);
    if (event.type === 'usage') this.reported = event.usage;
    else if (event.type === 'failed') this.failure = event.error;
    else if (event.type === 'end') this.done = true;
  }
}

interface Fragment {
  readonly json: Json;
  readonly text: string;
}

/**
 * An upstream's stream on its way to a client of the same dialect, in either framing. The last fragment with a reason
 * to finish, and what follows it, is kept back for the ending.
 */
class StreamedAnswer implements AnswerReading {
  readonly contentType: string;
  readonly stopRequest = null;
  readonly #account = new Account();
  readonly #framing: ItemFraming;
  readonly #renameTo: string | null;
  readonly #events = new GeminiEvents({
    fragment: (json, text) => this.#take({ json, text }),
    fault: (error) => this.#account.fragments.fail(error),
  });
  #forward = '';
  #held: Fragment[] = [];

  constructor({ framing }: GeminiRequest, renameTo: string | null) {
    this.contentType = contentTypeOf(framing);
    this.#framing = new ItemFraming(framing);
    this.#renameTo = renameTo;
  }

  get done(): boolean {
    return this.#account.done;
  }

  get failure(): string | null {
    return this.#account.failure;
  }

  get received(): ReceivedEvents {
    return this.#account.received;
  }

  get reported(): ReportedUsage {
    return this.#account.reported;
  }

  feed(chunk: Buffer): string {
    this.#events.feed(chunk);
    return this.#taken();
  }

  end(): string {
    this.#events.end();
    this.#account.fragments.end({ whole: false });
    return this.#taken();
  }

  ending({ usage }: Billed): string {
    const shown = shownMetadata(this.#account.stated, usage);
    const last = this.#held.pop() ?? { json: {}, text: '{}' };
    for (const fragment of this.#held)
      this.#write(isObject(fragment.json['usageMetadata']) ? counting(fragment, shown) : fragment);
    this.#write(counting(last, shown));
    return this.#taken() + this.#framing.close();
  }

  /** Some upstreams state a reason with every fragment, so one that is followed by content was not the last. */
  #take(fragment: Fragment): void {
    this.#account.take(fragment.json);
    if (this.failure !== null) return;
    const finishes = isFinish(fragment.json);
    if (finishes || carriesContent(fragment.json)) {
      for (const held of this.#held) this.#write(held);
      this.#held = [];
    }
    if (finishes || this.#held.length > 0) this.#held.push(fragment);
    else this.#write(fragment);
  }

  #write(fragment: Fragment): void {
    this.#forward += this.#framing.item(renamed(fragment, this.#renameTo).text);
  }

  #taken(): string {
    const forward = this.#forward;
    this.#forward = '';
    return forward;
  }
}

/** A whole answer on its way to a client of the same dialect. */
class WholeAnswer implements AnswerReading {
  readonly contentType = contentTypeOf('whole');
  readonly stopRequest = null;
  readonly #account = new Account();
  readonly #chunks: Buffer[] = [];
  readonly #renameTo: string | null;
  #answer: Fragment | null = null;

  constructor(renameTo: string | null) {
    this.#renameTo = renameTo;
  }

  get done(): boolean {
    return this.#account.done;
  }

  get failure(): string | null {
    return this.#account.failure;
  }

  get received(): ReceivedEvents {
    return this.#account.received;
  }

  get reported(): ReportedUsage {
    return this.#account.reported;
  }

  feed(chunk: Buffer): string {
    this.#chunks.push(chunk);
    return '';
  }

  end(): string {
    const { fragments } = this.#account;
    // A BOM is no JSON.
    const text = new TextDecoder('utf-8').decode(Buffer.concat(this.#chunks)).trim();
    const [json, ...more] = objectsOf(text) ?? [];
    if (json && more.length === 0) {
      this.#account.take(json);
      this.#answer = { json, text: text.startsWith('{') ? text : JSON.stringify(json) };
    }
    if (fragments.isEmpty) fragments.fail(text.slice(0, EXCERPT_CHARACTERS));
    fragments.end({ whole: true });
    return '';
  }

  ending({ usage }: Billed): string {
    if (!this.#answer) return '';
    return renamed(counting(this.#answer, shownMetadata(this.#account.stated, usage)), this.#renameTo).text;
  }
}

function isFinish(fragment: Json): boolean {
  return blockReason(fragment) !== null || candidatesIn(fragment).some(({ finishReason }) => Boolean(finishReason));
}

function carriesContent(fragment: Json): boolean {
  return candidatesIn(fragment).some((candidate) => partsIn(candidate).length > 0);
}

/** The fragment with the counts that are billed; as it came where it has them already. */
function counting(fragment: Fragment, shown: Json): Fragment {
  return fragment.json['usageMetadata'] === shown ? fragment : changed(fragment, { usageMetadata: shown });
}

/** The fragment with the client's name for the model; null where the provider uses the same. */
function renamed(fragment: Fragment, renameTo: string | null): Fragment {
  if (renameTo === null || fragment.json['modelVersion'] === renameTo) return fragment;
  return changed(fragment, { modelVersion: renameTo });
}

function changed({ json }: Fragment, members: Json): Fragment {
  const changedJson = { ...json, ...members };
  return { json: changedJson, text: JSON.stringify(changedJson) };
}
