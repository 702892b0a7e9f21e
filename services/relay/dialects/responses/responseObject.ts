import type { UsageVector } from '../../../../events/meters.ts';
import type { Billed } from '../../call.ts';
import type { WriteContext } from '../../canonical/crossing.ts';
import type { Json } from '../../wire/json.ts';
import { usageCounts, usageWithCost } from '../../usage/usageCost.ts';
import type { ItemIds } from './items.ts';
import type { ResponseOutput } from './output.ts';
import { thinkingShown, type ResponsesBody } from './request.ts';

/** What a response says of its request, whatever becomes of it; `stored`: it can be found again by its id. */
export function responseTemplate(body: ResponsesBody, stored: boolean, ids: ItemIds, context: WriteContext): Json {
  return {
    id: ids.response,
    object: 'response',
    created_at: context.createdAt,
    model: context.model,
    background: false,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: shownReasoning(body),
    safety_identifier: body.safety_identifier ?? null,
    service_tier: 'default',
    store: stored,
    temperature: body.temperature ?? null,
    text: { ...body.text, format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: (body.tools ?? []).map((tool) => ({ parameters: null, strict: null, ...tool })),
    top_logprobs: 0,
    top_p: body.top_p ?? null,
    truncation: 'disabled',
    access_programs: null,
    ...(typeof body.user === 'string' && { user: body.user }),
  };
}

function shownReasoning(body: ResponsesBody): Json {
  const summary = body.reasoning?.summary ?? body.reasoning?.generate_summary;
  return { effort: body.reasoning?.effort ?? null, summary: thinkingShown(body) ? summary : null };
}

/** A response that has begun. */
export function begunResponse(template: Json): Json {
  return { ...template, status: 'in_progress', error: null, incomplete_details: null, output: [], usage: null };
}

/** JSON text of a response that has ended. Its usage is what was billed. */
export function endedResponse(template: Json, output: ResponseOutput, billed: Billed): string {
  const { status, reason } = endOf(output);
  const ended = {
    ...template,
    status,
    error: status === 'failed' ? FAILED : null,
    incomplete_details: reason === null ? null : { reason },
    output: output.items,
  };
  const usage = usageWithCost(shownUsage(billed.usage), billed.picos, billed.currency);
  return `${JSON.stringify(ended).slice(0, -1)},"usage":${usage}}`;
}

const FAILED = { code: 'server_error', message: 'The provider ended the answer with an error.' };

interface End {
  readonly status: 'completed' | 'incomplete' | 'failed';
  /** Why it is incomplete. */
  readonly reason: 'max_output_tokens' | 'content_filter' | null;
}

/** A refusal in words is an answer; one without is a filter's work. */
export function endOf(output: ResponseOutput): End {
  switch (output.finish) {
    case 'stop':
    case 'tool_calls':
    case 'pause':
      return { status: 'completed', reason: null };
    case 'length':
      return { status: 'incomplete', reason: 'max_output_tokens' };
    case 'content_filter':
      return { status: 'incomplete', reason: 'content_filter' };
    case 'refusal':
      if (output.refused) return { status: 'completed', reason: null };
      return { status: 'incomplete', reason: 'content_filter' };
    case 'error':
      return { status: 'failed', reason: null };
  }
}

function shownUsage(usage: UsageVector): Json {
  const { prompt_tokens: input, completion_tokens: produced, total_tokens: total } = usageCounts(usage);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cacheRead ?? 0,
      cache_write_tokens: (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0),
    },
    output_tokens: produced,
    output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
    total_tokens: total,
  };
}
