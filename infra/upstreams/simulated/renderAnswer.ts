import type { Behaviour } from './directives.ts';
import type { Plan, SimulatedUsage } from './planAnswer.ts';
import type { RenderedStream } from './playback.ts';
import { CREATED } from './prepared.ts';
import { sse } from './sse.ts';

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

/** Each piece of the plan becomes one piece of the stream. */
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

function opening(plan: Plan): object {
  if (!plan.tool) return { role: 'assistant', content: '', refusal: null };
  const call = { index: 0, id: plan.tool.id, type: 'function', function: { name: plan.tool.name, arguments: '' } };
  return { role: 'assistant', content: null, tool_calls: [call] };
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
