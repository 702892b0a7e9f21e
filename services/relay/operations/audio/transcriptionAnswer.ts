import type { AnswerReading, Billed, ResponseHeaders } from '../../call.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { usageWithCost } from '../../usage/usageCost.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { isObject, parseObject, textIn, type Json } from '../../wire/json.ts';
import { eventText, HeldStream, type MediaEvent, type MediaStream } from '../heldStream.ts';
import { billedTokens, countIn, readMediaUsage } from '../mediaUsage.ts';
import { isSoldByToken } from '../meteredBy.ts';
import { Produced } from '../produced.ts';
import { JSON_TYPE, STREAM_TYPE, WholeAnswer, withUsage, type Understood } from '../wholeAnswer.ts';
import { secondsIn } from './duration.ts';
import { renderTranscript, type TextFormat } from './subtitles.ts';
import { isTextFormat, type TranscriptionRequest } from './transcriptionRequest.ts';

const DELTA = 'transcript.text.delta';
const SEGMENT = 'transcript.text.segment';
const DONE = 'transcript.text.done';

/** `rendered`: the provider was asked for `verbose_json` where the client wants text. */
export function readTranscript(
  request: TranscriptionRequest,
  rendered: boolean,
  headers: ResponseHeaders,
): AnswerReading {
  const { format, streamed } = request;
  if (streamed && isEventStream(headers)) return new HeldStream(new TranscriptEvents(request));
  if (!isTextFormat(format)) {
    return new WholeAnswer((text) => understoodJson(text, request), streamed ? STREAM_TYPE : JSON_TYPE);
  }
  const read = rendered ? renderedText : plainText;
  return new WholeAnswer(
    (text) => read(text, format, request),
    format === 'vtt' ? 'text/vtt; charset=utf-8' : 'text/plain; charset=utf-8',
  );
}

function understoodJson(text: string, request: TranscriptionRequest): Understood | null {
  const body = transcriptIn(text);
  if (!body) return null;
  const usage = (billed: Billed): string => billedTranscript(body['usage'], billed);
  return {
    ...measured(body, textIn(body['text']), request),
    write: (billed) =>
      request.streamed
        ? asEvents(textIn(body['text']), usage(billed))
        : withUsage({ text, body }, request.model, usage(billed)),
  };
}

function renderedText(text: string, format: TextFormat, request: TranscriptionRequest): Understood | null {
  const body = transcriptIn(text);
  if (!body) return null;
  const rendered = renderTranscript(body, format);
  if (rendered === null) return null;
  return { ...measured(body, textIn(body['text']), request), write: () => rendered };
}

/** An empty text is the transcript of silence. */
function plainText(text: string, _format: TextFormat, request: TranscriptionRequest): Understood | null {
  if (/^<(!doctype|html)/i.test(text) || parseObject(text)) return null;
  return { ...measured({}, text, request), write: () => `${text}\n` };
}

function transcriptIn(text: string): Json | null {
  const body = parseObject(text);
  return body && typeof body['text'] === 'string' && !body['error'] ? body : null;
}

function measured(body: Json, text: string, request: TranscriptionRequest): Omit<Understood, 'write'> {
  const produced = new Produced();
  const sold = isSoldByToken(request.model);
  if (sold) produced.deliver(text, 0);
  return { reported: reportedTranscript(body['usage'], body['duration'], request), produced };
}

/** Seconds by the provider's usage, else by its transcript, else by the file. */
function reportedTranscript(stated: unknown, duration: unknown, request: TranscriptionRequest): ReportedUsage {
  const { input, output } = readMediaUsage(stated, 'outputText');
  const seconds =
    secondsIn(isObject(stated) ? stated['seconds'] : null) ?? secondsIn(duration) ?? request.duration.seconds;
  return { input, output: output ?? (isSoldByToken(request.model) ? null : {}), other: { seconds } };
}

/** JSON text of the usage in the provider's shape: of tokens where it counts these, otherwise of seconds. */
function billedTranscript(stated: unknown, billed: Billed): string {
  if (isObject(stated) && countIn(stated['input_tokens']) !== null) return billedTokens(stated, billed);
  const duration = { type: 'duration', seconds: billed.usage.seconds ?? 0 };
  return usageWithCost(duration, billed.picos, billed.currency);
}

/** For providers that know no streams. */
function asEvents(text: string, usage: string): string {
  const delta = text === '' ? '' : eventText(DELTA, JSON.stringify({ type: DELTA, delta: text }));
  return delta + eventText(DONE, `${JSON.stringify({ type: DONE, text }).slice(0, -1)},"usage":${usage}}`);
}

class TranscriptEvents implements MediaStream {
  readonly model: string;
  readonly lasts = 1;
  readonly produced = new Produced();
  readonly usage = billedTranscript;
  readonly #request: TranscriptionRequest;
  #stated: unknown = null;

  constructor(request: TranscriptionRequest) {
    this.model = request.model;
    this.#request = request;
  }

  isLast({ type }: MediaEvent): boolean {
    return type === DONE;
  }

  take({ type, data }: MediaEvent): void {
    if (type === DELTA) this.produced.deliver(textIn(data['delta']), 0);
    else if (type === SEGMENT && this.produced.isEmpty) this.produced.deliver('', 0);
    else if (type === DONE) {
      this.#stated = data['usage'];
      if (this.produced.isEmpty) this.produced.deliver(textIn(data['text']), 0);
    }
  }

  get reported(): ReportedUsage {
    const reported = reportedTranscript(this.#stated, null, this.#request);
    return this.produced.isEmpty ? { ...reported, other: {} } : reported;
  }
}
