import type { AnswerEvent } from '../../canonical/answer.ts';
import { ReceivedEvents } from '../../canonical/receivedEvents.ts';
import type { AnswerReading, Billed, Passage, ResponseHeaders } from '../../call.ts';
import type { Channel } from '../../ports.ts';
import { NOTHING_REPORTED, type ReportedUsage } from '../../usage/reported.ts';
import type { Json } from '../../wire/json.ts';
import { JsonLines } from '../../wire/jsonLines.ts';
import { AnswerLines, callsIn, contentIn, linesOfWhole, messageIn, thinkingIn, type Line } from './answerLines.ts';
import { evalCounts } from './evalCounts.ts';
import { OLLAMA_FACE } from './face.ts';
import { nativeBody } from './nativeBody.ts';
import type { OllamaRequest } from './request.ts';
import { isLineStream, ollamaRequest } from './upstream.ts';

const PATHS = { chat: '/api/chat', generate: '/api/generate' } as const;

/** A call on its way to an upstream that speaks as its client does. `maxOutput`: what both client and price book allow. */
export function nativePassage(request: OllamaRequest, channel: Channel, maxOutput: number): Passage {
  const { upstreamModel } = channel;
  const body = nativeBody(request, upstreamModel, maxOutput);
  const renameTo = upstreamModel === request.model ? null : request.model;
  return {
    request: ollamaRequest(PATHS[request.kind], body, request.streamed),
    read: (headers) => new NativeAnswer(request.streamed, renameTo, headers),
  };
}

/**
 * Lines go to a client that streams as they came, but for the model's name where the provider uses another one. The
 * done line is kept back until the call is settled, and then tells the counts that are billed. An upstream may stream to
 * a client that wants one object, and the other way round.
 */
class NativeAnswer implements AnswerReading {
  readonly contentType: string;
  readonly stopRequest = null;
  readonly received = new ReceivedEvents();
  readonly #streamed: boolean;
  readonly #renameTo: string | null;
  readonly #events = new AnswerLines((event) => this.#note(event));
  /** Null: the answer is read when it is whole. */
  readonly #lines: JsonLines | null;
  readonly #chunks: Buffer[] = [];
  /** For a client that streams the done line; otherwise all lines. */
  readonly #kept: Line[] = [];
  #forward = '';
  #done = false;
  #failure: string | null = null;
  #reported: ReportedUsage = NOTHING_REPORTED;

  constructor(streamed: boolean, renameTo: string | null, headers: ResponseHeaders) {
    this.#streamed = streamed;
    this.#renameTo = renameTo;
    this.contentType = (streamed ? OLLAMA_FACE.streamType : null) ?? 'application/json; charset=utf-8';
    this.#lines = isLineStream(headers)
      ? new JsonLines({
          line: (json, text) => this.#take({ json, text }),
          fault: (message) => this.#events.fault(message),
        })
      : null;
  }

  get done(): boolean {
    return this.#done;
  }

  get failure(): string | null {
    return this.#failure;
  }

  get reported(): ReportedUsage {
    return this.#reported;
  }

  feed(chunk: Buffer): string {
    if (this.#lines) this.#lines.feed(chunk);
    else this.#chunks.push(chunk);
    return this.#taken();
  }

  end(): string {
    if (this.#lines) this.#lines.end();
    else
      this.#takeWhole(
        Buffer.concat(this.#chunks)
          .toString('utf8')
          .replace(/^\uFEFF/, '')
          .trim(),
      );
    return this.#taken();
  }

  ending({ usage }: Billed): string {
    const last = folded(this.#kept);
    if (!last) return '';
    const text = withCounts(last, evalCounts(usage));
    return this.#streamed ? `${text}\n` : text;
  }

  #taken(): string {
    const forward = this.#forward;
    this.#forward = '';
    return forward;
  }

  #takeWhole(text: string): void {
    const lines = linesOfWhole(text);
    if (lines) for (const line of lines) this.#take(line);
    else this.#events.fail(text);
  }

  #take(line: Line): void {
    if (this.#done || this.#failure !== null) return;
    this.#events.take(line.json);
    // The events of the line may have been an error.
    if (this.failure !== null) return;
    const shown = this.#named(line);
    if (this.#streamed && !this.done) this.#forward += `${shown.text}\n`;
    else this.#kept.push(shown);
  }

  /** The line under the client's name for the model, and on one line. */
  #named({ json, text }: Line): Line {
    const named = this.#renameTo === null || json['model'] === this.#renameTo;
    if (named && !text.includes('\n')) return { json, text };
    const renamed = named ? json : { ...json, model: this.#renameTo };
    return { json: renamed, text: JSON.stringify(renamed) };
  }

  #note(event: AnswerEvent): void {
    this.received.add(event);
    if (event.type === 'failed') this.#failure = event.error;
    else if (event.type === 'usage') this.#reported = event.usage;
    else if (event.type === 'end') this.#done = true;
  }
}

/** The lines of an answer as one: the last one with what all of them said. Null for no line. */
function folded(lines: readonly Line[]): Line | null {
  const last = lines.at(-1);
  if (!last || lines.length === 1) return last ?? null;
  const all = lines.map(({ json }) => json);
  const thinking = all.map(thinkingIn).join('');
  const calls = all.flatMap(callsIn);
  const text = all.map(contentIn).join('');
  const thought = thinking !== '' && { thinking };
  const called = calls.length > 0 && { tool_calls: calls };
  const said: Json = Object.hasOwn(last.json, 'response')
    ? { response: text, ...thought }
    : { message: { role: 'assistant', ...messageIn(last.json), content: text, ...thought, ...called } };
  const json = { ...last.json, ...said };
  return { json, text: JSON.stringify(json) };
}

/** The done line with these counts; as it came where it has them already. */
function withCounts({ json, text }: Line, counts: ReturnType<typeof evalCounts>): string {
  const same = Object.entries(counts).every(([member, count]) => json[member] === count);
  return same ? text : JSON.stringify({ ...json, ...counts });
}
