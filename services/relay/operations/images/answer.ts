import type { UsageVector } from '../../../../events/meters.ts';
import type { AnswerReading, Billed, ResponseHeaders } from '../../call.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { objectsIn, type Json } from '../../wire/json.ts';
import { eventText, HeldStream, type MediaEvent, type MediaStream } from '../heldStream.ts';
import { billedTokens, readMediaUsage } from '../mediaUsage.ts';
import { isSoldByToken } from '../meteredBy.ts';
import { Produced } from '../produced.ts';
import { JSON_TYPE, listAnswer, STREAM_TYPE, WholeAnswer, withUsage, type Understood } from '../wholeAnswer.ts';
import { IMAGE_LIMITS, TYPICAL_OUTPUT, type ImagesBody } from './request.ts';
import { imageVariant } from './variant.ts';

/** Reads what answers either operation. `events`: how the events of its streams are named. */
export function readImages(
  body: ImagesBody,
  events: 'image_generation' | 'image_edit',
  headers: ResponseHeaders,
): AnswerReading & { readonly variant: string | null } {
  if (body.stream === true && isEventStream(headers)) return new StreamedImages(new ImageEvents(body, events));
  return new WholeImages(body, events);
}

/** A whole answer; a client that wanted a stream gets it as the events that end one. */
class WholeImages extends WholeAnswer {
  variant: string | null = null;

  constructor(body: ImagesBody, events: string) {
    const streamed = body.stream === true;
    super((text) => this.#understood(text, body, events), streamed ? STREAM_TYPE : JSON_TYPE);
  }

  #understood(text: string, body: ImagesBody, events: string): Understood | null {
    const answer = listAnswer(text, 'data');
    if (!answer) return null;
    const images = objectsIn(answer.body['data']);
    const produced = new Produced();
    this.variant = variantOf(body, answer.body);
    if (isSoldByToken(body.model)) produced.deliver('', images.length * TYPICAL_OUTPUT);
    return {
      reported: reportedImages(answer.body['usage'], images.length, body.model),
      produced,
      write: (billed) =>
        body.stream === true
          ? completedEvents(answer.body, images, events, billed)
          : withUsage(answer, body.model, billedTokens(answer.body['usage'], billed)),
    };
  }
}

class StreamedImages extends HeldStream {
  readonly #events: ImageEvents;

  constructor(events: ImageEvents) {
    super(events);
    this.#events = events;
  }

  get variant(): string | null {
    return this.#events.variant;
  }
}

/** Usage of several images is taken as cumulative: the last one holds. */
class ImageEvents implements MediaStream {
  readonly model: string;
  readonly lasts: number;
  readonly produced = new Produced();
  readonly usage = billedTokens;
  variant: string | null = null;
  readonly #body: ImagesBody;
  readonly #events: string;
  readonly #sold: boolean;
  #images = 0;
  #stated: unknown = null;

  constructor(body: ImagesBody, events: string) {
    this.#body = body;
    this.model = body.model;
    this.lasts = body.n ?? 1;
    this.#events = events;
    this.#sold = isSoldByToken(body.model);
  }

  isLast({ type }: MediaEvent): boolean {
    return type === `${this.#events}.completed`;
  }

  take(event: MediaEvent): void {
    if (this.isLast(event)) {
      this.#images += 1;
      this.#stated = event.data['usage'] ?? this.#stated;
      this.variant = variantOf(this.#body, event.data);
      this.produced.deliver('', this.#sold ? TYPICAL_OUTPUT : 0);
    } else if (event.type === `${this.#events}.partial_image`) {
      this.produced.deliver('', this.#sold ? IMAGE_LIMITS.tokensPerPartialImage : 0);
    }
  }

  get reported(): ReportedUsage {
    return reportedImages(this.#stated, this.#images, this.model);
  }
}

/** What the answer says of itself, else what the request said. */
function variantOf({ model, quality, size }: ImagesBody, answer: Json): string | null {
  return imageVariant({ model, quality: answer['quality'] ?? quality, size: answer['size'] ?? size });
}

/** Images are counted whatever the provider says of tokens. What is not sold by the token has none unless it says so. */
function reportedImages(stated: unknown, delivered: number, model: string): ReportedUsage {
  const { input, output } = readMediaUsage(stated, 'imageOutput');
  const other: UsageVector = delivered === 0 ? {} : { images: delivered };
  return { input, output: output ?? (isSoldByToken(model) ? null : {}), other };
}

/** The members of an answer that a completed event has too. */
const SHARED = ['background', 'output_format', 'quality', 'size'];

function completedEvents(body: Json, images: readonly Json[], events: string, billed: Billed): string {
  const type = `${events}.completed`;
  const shared = Object.fromEntries(SHARED.filter((member) => member in body).map((member) => [member, body[member]]));
  const texts = images.map((image) => JSON.stringify({ type, created_at: body['created'], ...shared, ...image }));
  const last = texts.pop();
  if (last === undefined) return '';
  const usage = billedTokens(body['usage'], billed);
  return [...texts, `${last.slice(0, -1)},"usage":${usage}}`].map((text) => eventText(type, text)).join('');
}
