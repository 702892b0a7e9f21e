import type { Message, Part, TextPart, ToolResultPart } from '../../canonical/prompt.ts';
import { isObject } from '../../wire/json.ts';
import { assistantPart, invalid, refusedBlock, textPart, userParts } from './promptParts.ts';
import type { ClaudeBlock, ClaudeBody } from './request.ts';

type StatedMessage = ClaudeBody['messages'][number];

/** Instructions in order, those that newer clients put between the messages last. */
export function systemTexts({ system, messages }: ClaudeBody): TextPart[] {
  const texts = (content: StatedMessage['content'], place: string): TextPart[] =>
    blocksOf(content).map((block, index) => textPart(block, `${place}.${String(index)}`));
  return [
    ...texts(system ?? [], 'system'),
    ...messages.flatMap(({ role, content }, index) =>
      role === 'system' ? texts(content, `messages.${String(index)}.content`) : [],
    ),
  ];
}

/** Results of tools are messages of their own, before what the user says in the same turn. */
export function promptMessages(messages: readonly StatedMessage[]): Message[] {
  const names = new Map<string, string>();
  return messages.flatMap(({ role, content }, index) => {
    const place = `messages.${String(index)}.content`;
    if (role === 'system') return [];
    return role === 'user' ? userMessages(content, place, names) : assistantMessages(content, place, names);
  });
}

function userMessages(content: StatedMessage['content'], place: string, names: ReadonlyMap<string, string>): Message[] {
  const results: Part[] = [];
  const others: Part[] = [];
  for (const [index, block] of blocksOf(content).entries()) {
    const at = `${place}.${String(index)}`;
    if (block.type === 'tool_result') results.push(toolResult(block, at, names));
    else others.push(...userParts(block, at));
  }
  return [
    ...(results.length > 0 ? [{ role: 'tool' as const, parts: results }] : []),
    ...(others.length > 0 ? [{ role: 'user' as const, parts: others }] : []),
  ];
}

function assistantMessages(content: StatedMessage['content'], place: string, names: Map<string, string>): Message[] {
  const parts = blocksOf(content).map((block, index) => assistantPart(block, `${place}.${String(index)}`));
  for (const part of parts) if (part.type === 'toolCall') names.set(part.id, part.name);
  return parts.length > 0 ? [{ role: 'assistant', parts }] : [];
}

function toolResult(block: ClaudeBlock, at: string, names: ReadonlyMap<string, string>): ToolResultPart {
  const { tool_use_id: callId, content = '', is_error: isError } = block;
  if (typeof callId !== 'string') throw invalid(`${at}.tool_use_id`, 'must be a string');
  return {
    type: 'toolResult',
    callId,
    name: names.get(callId) ?? null,
    parts: resultParts(content ?? '', `${at}.content`),
    isError: isError === true,
  };
}

function resultParts(content: unknown, at: string): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw invalid(at, 'must be a string or a list of blocks');
  return content.flatMap((block: unknown, index) => {
    const place = `${at}.${String(index)}`;
    if (!isObject(block) || typeof block['type'] !== 'string') throw invalid(place, 'must be a block');
    if (block['type'] === 'tool_result') throw refusedBlock(block['type'], place);
    return userParts({ ...block, type: block['type'] }, place);
  });
}

function blocksOf(content: StatedMessage['content']): readonly ClaudeBlock[] {
  if (typeof content !== 'string') return content;
  return content === '' ? [] : [{ type: 'text', text: content }];
}
