import type { Emit, FinishReason, StreamDecoder } from '../../canonical/answer.ts';
import { isObject, objectsIn, parseObject, textIn, type Json } from '../../wire/json.ts';
import { SseEvents } from '../../wire/sseEvents.ts';
import { AgentAnswer, excerptOf, statedError } from '../agentAnswer.ts';
import { readFinish } from '../openai/finishReasons.ts';
import { fastgptError } from './errors.ts';
import { nodeUsage } from './nodeUsage.ts';

/**
 * Reads a detailed stream: `answer` and `fastAnswer` are OpenAI chunks, `flowResponses` has the tokens and comes after
 * `[DONE]`, so that only the end of the stream is the end of the answer. A stream without details has chunks alone.
 * Not carried: the steps of the flow and the agent's own tool calls. A flow that asks its user something fails.
 */
export class FastgptDecoder implements StreamDecoder {
  readonly #answer: AgentAnswer;
  readonly #events: SseEvents;
  #reason: FinishReason | null = null;

  constructor(emit: Emit) {
    this.#answer = new AgentAnswer(emit);
    this.#events = new SseEvents({
      event: (name, data) => this.#event(name, data),
      done: () => this.#answer.finish(this.#reason ?? 'stop'),
      fault: (message, text = '') => this.#other(message, text),
    });
  }

  feed(chunk: Buffer): void {
    this.#events.feed(chunk);
  }

  end(): void {
    this.#events.end();
    if (this.#reason !== null) this.#answer.finish(this.#reason);
    this.#answer.end();
  }

  #event(name: string | null, data: Json): void {
    if (name === 'error') this.#answer.failed(fastgptError(data));
    else if (name === 'interactive') this.#answer.failed(ASKS_ITS_USER);
    else if (name === null || name === 'answer' || name === 'fastAnswer') this.#chunk(data);
  }

  /** The results of the nodes are the one list of a stream; what else is JSON means nothing. */
  #other(message: string, text: string): void {
    const value = parseAny(text);
    if (Array.isArray(value)) this.#answer.usage(nodeUsage(value));
    else if (value === undefined) this.#answer.fault(message);
  }

  #chunk(chunk: Json): void {
    if (isFailure(chunk)) {
      this.#answer.failed(fastgptError(chunk));
      return;
    }
    this.#answer.start(textIn(chunk['id']), textIn(chunk['model']));
    const choice = objectsIn(chunk['choices'])[0];
    if (!choice) return;
    if (isObject(choice['delta'])) say(choice['delta'], this.#answer);
    // Parts of a flow may each state one; the answer is whole when no more of it can follow.
    this.#reason = finishReason(choice['finish_reason']) ?? this.#reason;
  }
}

/** Reads an answer that was not streamed although a stream was asked for. */
export function readWhole(text: string, emit: Emit): void {
  const answer = new AgentAnswer(emit);
  const body = parseObject(text);
  const choice = body && objectsIn(body['choices'])[0];
  if (!body || isFailure(body) || !choice) {
    answer.failed(body ? fastgptError(body) : excerptOf(text));
    return;
  }
  answer.start(textIn(body['id']), textIn(body['model']));
  if (isObject(choice['message'])) say(choice['message'], answer);
  answer.finish(finishReason(choice['finish_reason']) ?? 'stop');
  if (Array.isArray(body['responseData'])) answer.usage(nodeUsage(body['responseData']));
  answer.end();
}

const ASKS_ITS_USER = statedError(
  'The agent asks its user to choose or to fill in a form, which cannot be carried.',
  400,
);

function say(message: Json, answer: AgentAnswer): void {
  answer.thinking(textIn(message['reasoning_content']));
  answer.text(contentText(message['content']));
}

/** A string, or a list of entries of which those of type text are part of the answer. */
function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  return objectsIn(content)
    .map((entry) => (isObject(entry['text']) ? textIn(entry['text']['content']) : textIn(entry['text'])))
    .join('');
}

function isFailure(body: Json): boolean {
  if (Array.isArray(body['choices'])) return isObject(body['error']) || textIn(body['error']) !== '';
  return ['error', 'statusText', 'message'].some((member) => isObject(body[member]) || textIn(body[member]) !== '');
}

function parseAny(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller takes it for a stream that cannot be read.
    return undefined;
  }
}

/** The agent's own tools are not the client's, so `tool_calls` says nothing to it. */
function finishReason(stated: unknown): FinishReason | null {
  return typeof stated === 'string' && stated !== ''
    ? readFinish(stated, { calledTools: false, refused: false })
    : null;
}
