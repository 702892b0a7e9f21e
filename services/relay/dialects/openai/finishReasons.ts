import type { FinishReason } from '../../canonical/answer.ts';

/** How OpenAI and those like it spell the end of an answer. Everything else is an ordinary stop. */
const SPELLINGS: ReadonlyMap<unknown, FinishReason> = new Map([
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['content_filter', 'content_filter'],
  ['sensitive', 'content_filter'],
  ['error', 'error'],
  ['network_error', 'error'],
  ['insufficient_system_resource', 'error'],
]);

/** What a choice had when it ended. */
export interface Ended {
  readonly calledTools: boolean;
  readonly refused: boolean;
}

/** Tools were called when there are calls, whatever the upstream says, and never without. */
export function readFinish(stated: string, { calledTools, refused }: Ended): FinishReason {
  const reason = SPELLINGS.get(stated);
  if (reason !== undefined) return reason;
  if (calledTools) return 'tool_calls';
  return refused ? 'refusal' : 'stop';
}

/** `error` is what OpenRouter writes; the others are OpenAI's. A refusal that says something is an ordinary stop. */
export function writtenFinish(reason: FinishReason, { calledTools, refused }: Ended): string {
  switch (reason) {
    case 'refusal':
      return refused ? 'stop' : 'content_filter';
    case 'pause':
      return 'stop';
    case 'stop':
    case 'tool_calls':
      return calledTools ? 'tool_calls' : 'stop';
    case 'length':
    case 'content_filter':
    case 'error':
      return reason;
  }
}
