import { z } from 'zod';
import type { ChatRequest } from './chatRequest.ts';
import { parseDirectives, type Behaviour } from './directives.ts';
import { planAnswer, type Plan } from './planAnswer.ts';
import { renderError } from './renderError.ts';

const part = z.looseObject({ type: z.string(), text: z.string().optional() });
const heard = z.looseObject({
  type: z.string(),
  event_id: z.string().optional(),
  item: z
    .looseObject({ id: z.string().optional(), role: z.string().optional(), content: z.array(part).optional() })
    .optional(),
  session: z.looseObject({}).optional(),
});
type Heard = z.infer<typeof heard>;

interface Answering {
  readonly id: string;
  readonly itemId: string;
  readonly plan: Plan;
  readonly behaviour: Behaviour;
  said: number;
  timer: NodeJS.Timeout | null;
}

/** One simulated session: what it is told, and what it answers. */
export class RealtimeConversation {
  readonly #setting: { readonly sessionId: string; readonly model: string; readonly chunkDelayMs: number };
  readonly #tell: (event: object) => void;
  readonly #cut: () => void;
  readonly #messages: ChatRequest['messages'] = [];
  #session: Record<string, unknown> = {};
  #events = 0;
  #responses = 0;
  #answering: Answering | null = null;

  constructor(
    setting: { readonly sessionId: string; readonly model: string; readonly chunkDelayMs: number },
    tell: (event: object) => void,
    cut: () => void,
  ) {
    this.#setting = setting;
    this.#tell = tell;
    this.#cut = cut;
  }

  begin(): void {
    this.#say({ type: 'session.created', session: this.#sessionObject() });
  }

  end(): void {
    if (this.#answering?.timer) clearTimeout(this.#answering.timer);
    this.#answering = null;
  }

  hear(text: string): void {
    const event = parse(text);
    if (!event) {
      this.#fail(400, 'The event is not valid.', null);
      return;
    }
    switch (event.type) {
      case 'session.update':
        this.#session = { ...this.#session, ...event.session };
        this.#say({ type: 'session.updated', session: this.#sessionObject() });
        break;
      case 'conversation.item.create':
        this.#addItem(event);
        break;
      case 'response.create':
        this.#answer(event);
        break;
      case 'response.cancel':
        if (this.#answering) this.#finish(this.#answering, 'cancelled');
        break;
      default:
        // Audio, and whatever else a session may be told, changes nothing here.
        break;
    }
  }

  #sessionObject(): object {
    const { sessionId, model } = this.#setting;
    return {
      type: 'realtime',
      output_modalities: ['text'],
      ...this.#session,
      object: 'realtime.session',
      id: sessionId,
      model,
    };
  }

  #addItem({ item }: Heard): void {
    const texts = (item?.content ?? []).map(({ text = '' }) => text);
    this.#messages.push({ role: item?.role ?? 'user', content: texts.join('\n') });
    const id = item?.id ?? `item_sim_${String(this.#messages.length)}`;
    const whole = { type: 'message', status: 'completed', ...item, id, object: 'realtime.item' };
    this.#say({ type: 'conversation.item.added', previous_item_id: null, item: whole });
    this.#say({ type: 'conversation.item.done', previous_item_id: null, item: whole });
  }

  #answer({ event_id: eventId }: Heard): void {
    if (this.#answering) {
      this.#fail(400, 'Conversation already has an active response.', eventId ?? null);
      return;
    }
    const said = this.#messages.findLast(({ role }) => role === 'user')?.content;
    const { chunkDelayMs, model } = this.#setting;
    const parsed = parseDirectives(typeof said === 'string' ? said : '', { latencyMs: 0, chunkDelayMs, chunks: null });
    if (!parsed.ok) {
      this.#fail(400, parsed.problem, eventId ?? null);
      return;
    }
    const { behaviour, rest } = parsed;
    if (behaviour.status !== null) {
      this.#fail(behaviour.status, `Simulated failure with status ${String(behaviour.status)}.`, eventId ?? null);
      return;
    }
    this.#responses += 1;
    const plan = planAnswer({ model, messages: [...this.#messages] }, rest, behaviour);
    const number = String(this.#responses);
    const answering = {
      id: `resp_sim_${number}`,
      itemId: `item_sim_answer_${number}`,
      plan,
      behaviour,
      said: 0,
      timer: null,
    };
    this.#answering = answering;
    this.#open(answering);
    this.#continue(answering);
  }

  #open(answering: Answering): void {
    const { id, itemId } = answering;
    this.#say({ type: 'response.created', response: responseOf(answering, 'in_progress') });
    const item = {
      id: itemId,
      object: 'realtime.item',
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      content: [],
    };
    this.#say({ type: 'response.output_item.added', response_id: id, output_index: 0, item });
    this.#say({ type: 'response.content_part.added', ...placeOf(answering), part: { type: 'output_text', text: '' } });
  }

  #continue(answering: Answering): void {
    const { plan, behaviour } = answering;
    while (answering.said < plan.pieces.length) {
      if (behaviour.cutAfter === answering.said) {
        this.#cut();
        return;
      }
      this.#say({ type: 'response.output_text.delta', ...placeOf(answering), delta: plan.pieces[answering.said] });
      answering.said += 1;
      if (behaviour.chunkDelayMs > 0) {
        answering.timer = setTimeout(() => this.#continue(answering), behaviour.chunkDelayMs);
        return;
      }
    }
    this.#finish(answering, 'completed');
  }

  #finish(answering: Answering, status: 'completed' | 'cancelled'): void {
    if (answering.timer) clearTimeout(answering.timer);
    this.#answering = null;
    const text = textOf(answering);
    const place = placeOf(answering);
    const item = outputItem(answering, status === 'completed' ? 'completed' : 'incomplete');
    this.#messages.push({ role: 'assistant', content: text });
    this.#say({ type: 'response.output_text.done', ...place, text });
    this.#say({ type: 'response.content_part.done', ...place, part: { type: 'output_text', text } });
    this.#say({ type: 'response.output_item.done', response_id: answering.id, output_index: 0, item });
    this.#say({ type: 'response.done', response: responseOf(answering, status) });
  }

  #fail(status: number, message: string, eventId: string | null): void {
    const { error } = JSON.parse(renderError(status, message)) as { error: object };
    this.#say({ type: 'error', error: { ...error, event_id: eventId } });
  }

  #say(event: object): void {
    this.#events += 1;
    this.#tell({ ...event, event_id: `event_sim_${String(this.#events)}` });
  }
}

function parse(text: string): Heard | null {
  try {
    return heard.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    // Told to the client as an event that is not valid.
    return null;
  }
}

function placeOf({ id, itemId }: Answering): object {
  return { response_id: id, item_id: itemId, output_index: 0, content_index: 0 };
}

function textOf({ plan, said }: Answering): string {
  return plan.pieces.slice(0, said).join('');
}

function outputItem(answering: Answering, status: string): object {
  const content = [{ type: 'output_text', text: textOf(answering) }];
  return { id: answering.itemId, object: 'realtime.item', type: 'message', status, role: 'assistant', content };
}

function responseOf(answering: Answering, status: 'in_progress' | 'completed' | 'cancelled'): object {
  const ended = status !== 'in_progress';
  return {
    id: answering.id,
    object: 'realtime.response',
    status,
    status_details: status === 'cancelled' ? { type: 'cancelled', reason: 'client_cancelled' } : null,
    output: ended ? [outputItem(answering, status === 'completed' ? 'completed' : 'incomplete')] : [],
    ...(ended && answering.behaviour.usage !== 'none' && { usage: usageOf(answering, status) }),
  };
}

/** Of a cancelled response a token per word that was said, at most those of the whole. */
function usageOf({ plan, said }: Answering, status: string): object {
  const { prompt_tokens: input, completion_tokens: whole, prompt_tokens_details: details } = plan.usage;
  const output = status === 'completed' ? whole : Math.min(whole, said);
  const cached = details.cached_tokens;
  return {
    total_tokens: input + output,
    input_tokens: input,
    output_tokens: output,
    input_token_details: {
      text_tokens: input,
      audio_tokens: 0,
      image_tokens: 0,
      cached_tokens: cached,
      cached_tokens_details: { text_tokens: cached, audio_tokens: 0, image_tokens: 0 },
    },
    output_token_details: { text_tokens: output, audio_tokens: 0 },
  };
}
