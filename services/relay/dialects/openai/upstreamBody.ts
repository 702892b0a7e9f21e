import type { ChannelQuirks } from '../../ports.ts';
import type { ChatRequest } from './chatRequest.ts';
import { mayAskTier } from './serviceTier.ts';
import { takesStreamOptions } from './streamOptions.ts';

/** Fields of ours that no provider knows. */
const RELAY_FIELDS = ['usage'];

/**
 * The body for a channel: the client's own bytes where nothing changes or something is only added; a rewritten object
 * where a field is renamed, replaced or dropped. `maxOutput` is always stated, so an answer cannot outgrow its hold. A
 * `service_tier` that is not priced is dropped: the provider would bill it to us at a price at which we bill nobody.
 */
export function upstreamBody(
  request: ChatRequest,
  upstreamModel: string,
  quirks: ChannelQuirks,
  maxOutput: number,
  isPriced: (variant: string) => boolean = () => false,
): Buffer {
  const { body, raw } = request;
  const additions: Record<string, unknown> = {};
  const changes: Record<string, unknown> = {};
  const drops: string[] = [...RELAY_FIELDS, ...quirks.stripsParams].filter(
    (field) => Object.hasOwn(body, field) && field !== quirks.maxTokensField,
  );

  if (upstreamModel !== body.model) changes['model'] = upstreamModel;

  const otherField = quirks.maxTokensField === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens';
  if (Object.hasOwn(body, otherField)) drops.push(otherField);
  set(quirks.maxTokensField, maxOutput);

  if (request.streamed && takesStreamOptions(quirks)) {
    if (body.stream_options?.include_usage !== true)
      set('stream_options', { ...body.stream_options, include_usage: true });
  } else if (Object.hasOwn(body, 'stream_options')) drops.push('stream_options');

  if (!mayAskTier(body.service_tier, isPriced)) drops.push('service_tier');
  if (!quirks.supportsParallelTools && Object.hasOwn(body, 'parallel_tool_calls')) drops.push('parallel_tool_calls');
  if (!quirks.supportsDeveloperRole && body.messages.some((message) => message.role === 'developer')) {
    changes['messages'] = body.messages.map((message) =>
      message.role === 'developer' ? { ...message, role: 'system' } : message,
    );
  }

  if (drops.length === 0 && Object.keys(changes).length === 0) return withMembers(raw, additions);
  const rewritten: Record<string, unknown> = { ...body, ...additions, ...changes };
  return Buffer.from(JSON.stringify(without(rewritten, drops)));

  function set(field: string, value: unknown): void {
    if (body[field] === value) return;
    (Object.hasOwn(body, field) ? changes : additions)[field] = value;
  }
}

function without(source: Record<string, unknown>, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(source).filter(([field]) => !fields.includes(field)));
}

/** Adds members before the closing brace of a non-empty JSON object, leaving its bytes as they are. */
function withMembers(raw: Buffer, members: Record<string, unknown>): Buffer {
  const text = JSON.stringify(members);
  if (text === '{}') return raw;
  const brace = raw.lastIndexOf(0x7d);
  return Buffer.concat([raw.subarray(0, brace), Buffer.from(`,${text.slice(1)}`)]);
}
