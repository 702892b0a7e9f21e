import type { PromptToCount } from '../../call.ts';
import type { InputBound } from '../../usage/attachments.ts';
import { bodyInputBound, bodyToCount, type BodyRules } from '../../usage/bodySize.ts';
import { isObject, type Json } from '../../wire/json.ts';
import type { CountBody } from './request.ts';

/** More than what Claude adds to a prompt so that its model can use tools, and for each tool of its own. */
const TOKENS_FOR_TOOLS = 1_000;
const TYPICAL_FOR_TOOLS = 350;

const RULES: BodyRules = {
  outside: new Set([
    ...['model', 'max_tokens', 'stream', 'metadata', 'service_tier', 'container', 'inference_geo'],
    ...['context_management', 'cache_control', 'thinking', 'stop_sequences', 'tool_choice'],
  ]),
  attached: new Set(['source']),
  silent: new Set(['type', 'role', 'cache_control']),
};

/** Sources that are text themselves. */
const TEXT_SOURCES: ReadonlySet<unknown> = new Set(['text', 'content']);

/** Tokens that the prompt cannot exceed, apart from what Claude's own tools fetch. */
export function claudeInputBound(body: CountBody): InputBound {
  const own = (body.tools ?? []).filter(({ type }) => typeof type === 'string' && type !== 'custom').length;
  const forTools = body.tools?.length ? TOKENS_FOR_TOOLS * (1 + own) : 0;
  const bound = bodyInputBound(withTextSources(body), RULES);
  return { ...bound, inputTokens: bound.inputTokens + forTools };
}

/** The texts to count and the fixed overhead to add, when nobody reports the prompt's tokens. */
export function claudeToCount(body: CountBody): PromptToCount {
  const { texts, overhead } = bodyToCount(withTextSources(body), RULES);
  return { texts, overhead: overhead + (body.tools?.length ? TYPICAL_FOR_TOOLS : 0) };
}

/** A document that is given as text is text, although it stands where others have a file. */
function withTextSources(body: CountBody): Json {
  return { ...body, messages: textual(body.messages) };
}

function textual(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(textual);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([member, inner]) =>
      member === 'source' && isObject(inner) && TEXT_SOURCES.has(inner['type'])
        ? ['document', textual(inner)]
        : [member, textual(inner)],
    ),
  );
}
