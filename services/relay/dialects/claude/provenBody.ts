import type { ClaudeBlock, ClaudeBody } from './request.ts';

type Turn = ClaudeBody['messages'][number];

/**
 * The body without thinking that has no signature: answers of other providers have it, clients give it back, and Claude
 * refuses it. The same object where there is none. Where the client gives results to calls that such thinking led to,
 * Claude cannot think on within a budget, so it is not asked to.
 */
export function provenBody(body: ClaudeBody): ClaudeBody {
  if (!body.messages.some(hasUnproven)) return body;
  const messages = body.messages.flatMap((turn) => {
    if (!hasUnproven(turn)) return [turn];
    const content = blocksOf(turn).filter((block) => !isUnproven(block));
    return content.length > 0 ? [{ ...turn, content }] : [];
  });
  const { thinking, ...rest } = body;
  const last = body.messages.findLast(({ role }) => role === 'assistant');
  const goesOn = last !== undefined && hasUnproven(last) && blocksOf(last).some(({ type }) => type === 'tool_use');
  return goesOn && thinking?.type === 'enabled' ? { ...rest, messages } : { ...body, messages };
}

function hasUnproven(turn: Turn): boolean {
  return turn.role === 'assistant' && blocksOf(turn).some(isUnproven);
}

function blocksOf({ content }: Turn): readonly ClaudeBlock[] {
  return typeof content === 'string' ? [] : content;
}

function isUnproven({ type, signature }: ClaudeBlock): boolean {
  return type === 'thinking' && (typeof signature !== 'string' || signature === '');
}
