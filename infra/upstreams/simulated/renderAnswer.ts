import type { Behaviour } from './directives.ts';
import type { Plan, SimulatedUsage } from './planAnswer.ts';

/** The same for every answer, so that the same request gives the same bytes. 2023-11-14. */
const CREATED = 1_700_000_000;

/** The stream of an answer, each a whole server-sent event. */
export interface RenderedStream {
  readonly before: readonly string[];
  /** One per piece of the plan. */
  readonly pieces: readonly string[];
  readonly after: readonly string[];
}

export function renderAnswer(plan: Plan, reported: Behaviour['usage']): string {
  const text = plan.pieces.join('');
  const message = plan.tool
    ? {
        role: 'assistant',
        content: null,
        refusal: null,
        tool_calls: [{ id: plan.tool.id, type: 'function', function: { name: plan.tool.name, arguments: text } }],
      }
    : { role: 'assistant', content: text, refusal: null };
  const usage = reportedUsage(plan.usage, reported);
  return JSON.stringify({
    id: plan.id,
    object: 'chat.completion',
    created: CREATED,
    model: plan.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: plan.finishReason }],
    ...(usage && { usage }),
  });
}

export function renderStream(plan: Plan, reported: Behaviour['usage'], includeUsage: boolean): RenderedStream {
  const head = { id: plan.id, object: 'chat.completion.chunk', created: CREATED, model: plan.model };
  const event = (delta: object, finishReason: string | null = null, usage: object | null = null) =>
    sse({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
      ...(includeUsage && { usage }),
    });
  const usage = includeUsage ? reportedUsage(plan.usage, reported) : null;
  return {
    before: [event(opening(plan))],
    pieces: plan.pieces.map((piece) =>
      event(plan.tool ? { tool_calls: [{ index: 0, function: { arguments: piece } }] } : { content: piece }),
    ),
    after: [
      event({}, plan.finishReason, reported === 'twice' ? usage : null),
      ...(usage ? [sse({ ...head, choices: [], usage })] : []),
      'data: [DONE]\n\n',
    ],
  };
}

/** An event that announces a failure inside a stream. */
export const ERROR_EVENT = sse({
  error: { message: 'Simulated failure in the stream.', type: 'server_error', param: null, code: null },
});

function opening(plan: Plan): object {
  if (!plan.tool) return { role: 'assistant', content: '', refusal: null };
  const call = { index: 0, id: plan.tool.id, type: 'function', function: { name: plan.tool.name, arguments: '' } };
  return { role: 'assistant', content: null, tool_calls: [call] };
}

function sse(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** What is said of the usage, true or false; null: nothing. */
function reportedUsage(usage: SimulatedUsage, reported: Behaviour['usage']): object | null {
  switch (reported) {
    case 'exact':
    case 'twice':
      return usage;
    case 'none':
      return null;
    case 'zero':
      return { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
    case 'absurd':
      return { prompt_tokens: 1e18, completion_tokens: 1e18, total_tokens: 2e18 };
    case 'negative':
      return { prompt_tokens: -5, completion_tokens: -7, total_tokens: -12 };
  }
}
