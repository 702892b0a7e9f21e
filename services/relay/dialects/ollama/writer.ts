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
import { toInstant } from '../../../runtime.ts';
import { parseObject, type Json } from '../../wire/json.ts';
import { evalCounts } from './evalCounts.ts';
import { OLLAMA_FACE } from './face.ts';
import type { OllamaRequest } from './request.ts';

/** What a client sees of an answer. */
type Shown = Pick<OllamaRequest, 'kind' | 'streamed'> & { readonly body: Pick<OllamaRequest['body'], 'think'> };

/** What one line, or a whole answer, says. */
interface Said {
  readonly text?: string;
  readonly thinking?: string;
  readonly images?: readonly { readonly mime: string; readonly data: string }[];
  readonly calls?: readonly Json[];
}

interface CallDraft {
  readonly id: string | null;
  readonly name: string;
  json: string;
}

/**
 * Writes answers as `/api/chat` or `/api/generate` has them. A refusal is text. Thinking is left out for a client that
 * wants none. Dropped, for Ollama has no place for them: signatures, redacted thinking, sessions and the stop sequence
 * that was met; also every answer but the first, of which there is one. Arguments of a tool call that are no JSON object
 * become an empty one, because a client reads an object there. `/api/generate` has no tool calls and so drops them, and
 * gets images as Markdown.
 *
 * `elapsedNs`: whole nanoseconds since the call arrived.
 */
export function ollamaWriter(request: Shown, elapsedNs: () => number): ClientWriter {
  return {
    face: OLLAMA_FACE,
    streamed: request.streamed,
    encoder: (context) => new LineEncoder(request, elapsedNs, context),
    whole: (answer, billed, context) => JSON.stringify(wholeAnswer(request, answer, billed, context, elapsedNs())),
  };
}

class LineEncoder implements StreamEncoder {
  readonly #request: Shown;
  readonly #elapsedNs: () => number;
  readonly #context: WriteContext;
  readonly #calls: CallDraft[] = [];
  #firstOutputNs: number | null = null;
  #finish: FinishReason = 'stop';

  constructor(request: Shown, elapsedNs: () => number, context: WriteContext) {
    this.#request = request;
    this.#elapsedNs = elapsedNs;
    this.#context = context;
  }

  write(event: AnswerEvent): string {
    if ('choice' in event && event.choice !== 0) return '';
    switch (event.type) {
      case 'text':
      case 'refusal':
        return event.text === '' ? '' : this.#line({ text: event.text });
      case 'thinking':
        return event.text === '' || !showsThinking(this.#request) ? '' : this.#line({ thinking: event.text });
      case 'image':
        return this.#line({ images: [event] });
      case 'toolStart':
        this.#calls.push({ id: event.id, name: event.name, json: '' });
        return '';
      case 'toolArguments': {
        const call = this.#calls.at(-1);
        if (call) call.json += event.json;
        return '';
      }
      case 'finish':
        this.#finish = event.reason;
        return '';
      case 'start':
      case 'session':
      case 'signature':
      case 'redactedThinking':
      case 'toolEnd':
      case 'usage':
      case 'failed':
      case 'end':
        return '';
    }
  }

  /** Tool calls are one line before the last. An answer that its provider broke off ends with an error. */
  ending(billed: Billed): string {
    const calls = this.#calls.map(({ id, name, json }, index) => callMember(index, id, name, json));
    const before = calls.length > 0 && this.#request.kind === 'chat' ? this.#line({ calls }) : '';
    if (this.#finish === 'error') return `${before}${JSON.stringify(BROKEN_OFF)}\n`;
    const totalNs = this.#elapsedNs();
    const times = timesOf(totalNs, this.#firstOutputNs ?? totalNs);
    const last = answerMembers(this.#request, this.#context, {}, doneMembers(this.#finish, billed, times));
    return `${before}${JSON.stringify(last)}\n`;
  }

  #line(said: Said): string {
    this.#firstOutputNs ??= this.#elapsedNs();
    return `${JSON.stringify(answerMembers(this.#request, this.#context, said, { done: false }))}\n`;
  }
}

const BROKEN_OFF = { error: 'The provider could not finish its answer.', code: 'AI_SERVICE_ERROR' };

function wholeAnswer(
  request: Shown,
  { choices }: ChatAnswer,
  billed: Billed,
  context: WriteContext,
  totalNs: number,
): Json {
  const { parts, finish } = choices[0] ?? NOTHING;
  const calls = parts
    .filter((part) => part.type === 'toolCall')
    .map(({ id, name, arguments: json }, index) => callMember(index, id, name, json));
  const said: Said = {
    text: joined(parts, ['text', 'refusal']),
    thinking: showsThinking(request) ? joined(parts, ['thinking']) : '',
    images: parts.filter((part) => part.type === 'image'),
    calls,
  };
  return answerMembers(request, context, said, doneMembers(finish, billed, timesOf(totalNs, 0)));
}

const NOTHING: AnswerChoice = { parts: [], finish: 'stop', stopSequence: null };

function joined(parts: readonly AnswerPart[], types: readonly AnswerPart['type'][]): string {
  return parts.map((part) => ('text' in part && types.includes(part.type) ? part.text : '')).join('');
}

function showsThinking({ body }: Shown): boolean {
  return body.think !== false;
}

/** The members of one line or of a whole answer, `done` and what goes with it last. */
function answerMembers({ kind }: Shown, { model, createdAt }: WriteContext, said: Said, end: Json): Json {
  const { text = '', thinking = '', images = [], calls = [] } = said;
  const head = { model, created_at: toInstant(createdAt * 1_000) };
  const thought = thinking !== '' && { thinking };
  if (kind === 'generate') {
    const pictures = images.map(({ mime, data }) => `![image](data:${mime};base64,${data})`);
    return { ...head, response: [text, ...pictures].filter((piece) => piece !== '').join('\n'), ...thought, ...end };
  }
  const message = {
    role: 'assistant',
    content: text,
    ...thought,
    ...(images.length > 0 && { images: images.map(({ data }) => data) }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  return { ...head, message, ...end };
}

function callMember(index: number, id: string | null, name: string, json: string): Json {
  return { ...(id !== null && { id }), function: { index, name, arguments: parseObject(json) ?? {} } };
}

/** Nanoseconds. What came before the first output was reading the prompt, as far as a relay can tell. */
function timesOf(totalNs: number, firstOutputNs: number): Json {
  return {
    total_duration: totalNs,
    load_duration: 0,
    prompt_eval_duration: firstOutputNs,
    eval_duration: totalNs - firstOutputNs,
  };
}

function doneMembers(finish: FinishReason, { usage }: Billed, times: Json): Json {
  return { done: true, done_reason: DONE_REASON[finish], ...times, ...evalCounts(usage) };
}

/** Ollama itself knows `stop` and `length`; an answer that broke off must not look whole. */
const DONE_REASON: Readonly<Record<FinishReason, string>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'stop',
  content_filter: 'stop',
  refusal: 'stop',
  pause: 'stop',
  error: 'error',
};
