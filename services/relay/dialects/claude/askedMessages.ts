import { JSON_ONLY } from '../../canonical/jsonOnly.ts';
import type { Message, TextPart } from '../../canonical/prompt.ts';
import { textIn, type Json } from '../../wire/json.ts';
import { assistantBlocks, resultBlocks, textBlocks, userBlocks } from './askedBlocks.ts';

interface Turn {
  readonly role: 'user' | 'assistant';
  content: Json[];
}

/** What stands where Claude needs a user's turn and the conversation has none. */
const PLACEHOLDER: Json = { type: 'text', text: '.' };

/** Claude takes no more cache marks; the last ones cover the longest beginnings. */
const MAX_CACHE_MARKS = 4;

export interface Conversation {
  readonly system: readonly Json[];
  readonly messages: readonly Turn[];
}

/**
 * Instructions and turns as Claude takes them: neighbours of one role are merged, results of tools come first in their
 * turn, the first turn is the user's, and a text to be continued does not end in white space. Turns without content are
 * dropped, and cache marks but the last four. Throws ApiError for parts that Claude cannot take.
 */
export function conversation(
  system: readonly TextPart[],
  messages: readonly Message[],
  jsonOnly: boolean,
): Conversation {
  const instructions = textBlocks(jsonOnly ? [...system, JSON_ONLY] : system);
  const turns: Turn[] = [];
  for (const message of messages) addTurn(turns, message);
  for (const turn of turns) turn.content = resultsFirst(turn.content);
  if (turns[0]?.role !== 'user') turns.unshift({ role: 'user', content: [PLACEHOLDER] });
  trimEnd(turns);
  dropMarks([...instructions, ...turns.flatMap((turn) => turn.content)]);
  return { system: instructions, messages: turns };
}

function addTurn(turns: Turn[], { role, parts }: Message): void {
  const content = BLOCKS[role](parts);
  if (content.length === 0) return;
  const last = turns.at(-1);
  const turnRole = role === 'assistant' ? 'assistant' : 'user';
  if (last?.role === turnRole) last.content.push(...content);
  else turns.push({ role: turnRole, content });
}

const BLOCKS = { user: userBlocks, assistant: assistantBlocks, tool: resultBlocks } as const;

function resultsFirst(content: readonly Json[]): Json[] {
  const isResult = (block: Json) => block['type'] === 'tool_result';
  return [...content.filter(isResult), ...content.filter((block) => !isResult(block))];
}

/** Claude continues a last turn of the assistant. */
function trimEnd(turns: readonly Turn[]): void {
  const turn = turns.at(-1);
  const last = turn?.content.at(-1);
  if (turn?.role === 'assistant' && last?.['type'] === 'text') last['text'] = textIn(last['text']).trimEnd();
}

function dropMarks(blocks: readonly Json[]): void {
  const marked = blocks.flatMap((block) => [block, ...innerBlocks(block)]).filter((block) => 'cache_control' in block);
  for (const block of marked.slice(0, -MAX_CACHE_MARKS)) delete block['cache_control'];
}

function innerBlocks(block: Json): readonly Json[] {
  return block['type'] === 'tool_result' && Array.isArray(block['content']) ? (block['content'] as Json[]) : [];
}
