import type { UpstreamRequest } from '../../call.ts';
import type { Emit, StreamDecoder } from '../../canonical/answer.ts';
import { isObject, textIn, type Json } from '../../wire/json.ts';
import { SseEvents } from '../../wire/sseEvents.ts';
import { AgentAnswer, agentUsage, statedError, tokenCount } from '../agentAnswer.ts';
import { difyError } from './errors.ts';
import { messageUsage } from './usage.ts';

/** Parts what was shown from what takes its place, since nothing that was sent can be taken back. */
const REPLACEMENT_SEPARATOR = '\n\n---\n\n';

/**
 * Reads the stream of a chat app. An answer that moderation replaces after some of it was shown goes on behind a
 * separator line with what replaces it, and ends as `content_filter`. Images and files that the agent makes become
 * links in its text. `<think>` tags stay in the text as they are. Not carried: nodes, iterations, citations and speech.
 * A flow that waits for a human fails.
 */
export class DifyDecoder implements StreamDecoder {
  readonly #answer: AgentAnswer;
  readonly #events: SseEvents;
  readonly #user: string | null;
  readonly #thoughts = new Set<unknown>();
  #task = '';
  #saidSinceThought = false;
  #replaced = false;
  #flowSucceeded = false;
  #flowTokens: number | null = null;

  /** `user`: the one that asked; nobody else may stop the answer. */
  constructor(emit: Emit, user: string | null) {
    this.#answer = new AgentAnswer(emit);
    this.#user = user;
    this.#events = new SseEvents({
      event: (name, data) => this.#event(textIn(data['event']) || (name ?? ''), data),
      done: () => undefined,
      fault: (message) => this.#answer.fault(message),
    });
  }

  feed(chunk: Buffer): void {
    this.#events.feed(chunk);
  }

  end(): void {
    this.#events.end();
    // Workflows have no message, and so no end of one.
    if (!this.#answer.finished && this.#flowSucceeded && this.#answer.speaks) this.#finish(undefined);
    this.#answer.end();
  }

  stopRequest(): UpstreamRequest | null {
    if (this.#task === '' || this.#user === null || this.#answer.finished) return null;
    return {
      method: 'POST',
      path: `/chat-messages/${encodeURIComponent(this.#task)}/stop`,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ user: this.#user })),
    };
  }

  #event(event: string, data: Json): void {
    this.#task = textIn(data['task_id']) || this.#task;
    if (event === 'error' || (event === '' && data['code'] !== undefined)) {
      this.#answer.failed(difyError(data));
      return;
    }
    const conversation = textIn(data['conversation_id']);
    if (conversation !== '') {
      this.#answer.start(textIn(data['message_id']), '');
      this.#answer.session(conversation);
    }
    switch (event) {
      case 'message':
      case 'agent_message':
        this.#say(textIn(data['answer']));
        return;
      case 'text_chunk':
        this.#say(isObject(data['data']) ? textIn(data['data']['text']) : '');
        return;
      case 'agent_thought':
        this.#think(data);
        return;
      case 'message_replace':
        this.#replace(textIn(data['answer']));
        return;
      case 'message_file':
        this.#attach(data);
        return;
      case 'message_end':
        this.#finish(data['metadata']);
        return;
      case 'workflow_finished':
        this.#flowEnded(isObject(data['data']) ? data['data'] : {});
        return;
      case 'workflow_paused':
      case 'human_input_required':
        this.#answer.failed(WAITS_FOR_HUMAN);
    }
  }

  #say(text: string): void {
    if (text === '') return;
    this.#saidSinceThought = true;
    this.#answer.text(text);
  }

  /** A thought is stated again with each of its steps; mostly it is text that came as pieces of the answer before. */
  #think(data: Json): void {
    const thought = textIn(data['thought']);
    const id = data['id'] ?? data['position'];
    if (thought === '' || this.#thoughts.has(id)) return;
    this.#thoughts.add(id);
    if (!this.#saidSinceThought) this.#answer.thinking(thought);
    this.#saidSinceThought = false;
  }

  #replace(text: string): void {
    this.#replaced = true;
    if (text !== '') this.#say(this.#answer.speaks ? REPLACEMENT_SEPARATOR + text : text);
  }

  #attach(data: Json): void {
    const url = textIn(data['url']);
    if (data['belongs_to'] === 'user' || !/^https?:\/\//i.test(url)) return;
    const link = data['type'] === 'image' ? `![image](${url})` : `[file](${url})`;
    this.#say(this.#answer.speaks ? `\n\n${link}\n\n` : `${link}\n\n`);
  }

  /** Chatflows often report zeros here; then the flow's own total holds, which comes before or after. */
  #finish(metadata: unknown): void {
    if (this.#answer.finished) return;
    const usage = messageUsage(metadata) ?? agentUsage(null, null, this.#flowTokens);
    this.#answer.finish(this.#replaced ? 'content_filter' : 'stop');
    this.#answer.usage(usage);
    if (usage !== null) this.#answer.end();
  }

  #flowEnded(flow: Json): void {
    this.#flowTokens = tokenCount(flow['total_tokens']) ?? this.#flowTokens;
    const status = flow['status'];
    if (status === 'failed') this.#answer.failed(statedError(textIn(flow['error']) || 'The workflow failed.'));
    this.#flowSucceeded = status === 'succeeded' || status === 'partial-succeeded';
    if (!this.#answer.finished) return;
    this.#answer.usage(agentUsage(null, null, this.#flowTokens));
    this.#answer.end();
  }
}

const WAITS_FOR_HUMAN = statedError('The agent waits for the input of a human, which cannot be carried.', 400);
