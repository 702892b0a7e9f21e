import type { AnswerChoice, AnswerPart, ChatAnswer } from '../../canonical/answer.ts';
import type { ClientWriter, WriteContext } from '../../canonical/crossing.ts';
import type { Billed } from '../../call.ts';
import { parseObject, type Json } from '../../wire/json.ts';
import { billedUsage } from './billedUsage.ts';
import { CLAUDE_FACE } from './face.ts';
import { messageId, toolUseId } from './ids.ts';
import type { ClaudeRequest } from './request.ts';
import { stopReasonOf } from './stopReasons.ts';
import { StreamWriter } from './streamWriter.ts';

/**
 * Writes answers as Claude's clients read them. Dropped: images that a model made, for which a message has no block;
 * signatures on tool calls; thinking that the client did not ask to see; all choices but the first.
 */
export function claudeWriter(request: Pick<ClaudeRequest, 'streamed' | 'thinkingShown'>): ClientWriter {
  const { streamed, thinkingShown } = request;
  return {
    face: CLAUDE_FACE,
    streamed,
    encoder: (context) => new StreamWriter(context, thinkingShown),
    whole: (answer, billed, context) => wholeMessage(answer, billed, context, thinkingShown),
  };
}

function wholeMessage(answer: ChatAnswer, billed: Billed, context: WriteContext, thinkingShown: boolean): string {
  const { parts, finish, stopSequence }: AnswerChoice = answer.choices[0] ?? NO_CHOICE;
  const told = {
    calls: parts.some(({ type }) => type === 'toolCall'),
    refusal: parts.some((part) => part.type === 'refusal' && part.text !== ''),
  };
  const stopReason = stopReasonOf(finish, stopSequence, told);
  const message = {
    id: messageId(answer.id, context.requestId),
    type: 'message',
    role: 'assistant',
    model: context.model,
    content: contentOf(parts, context.requestId, thinkingShown),
    stop_reason: stopReason,
    stop_sequence: stopReason === 'stop_sequence' ? stopSequence : null,
  };
  return `${JSON.stringify(message).slice(0, -1)},"usage":${billedUsage(billed)}}`;
}

const NO_CHOICE: AnswerChoice = { parts: [], finish: 'stop', stopSequence: null };

function contentOf(parts: readonly AnswerPart[], requestId: string, thinkingShown: boolean): Json[] {
  let call = 0;
  return parts.flatMap((part): Json[] => {
    switch (part.type) {
      case 'text':
      case 'refusal':
        return part.text === '' ? [] : [{ type: 'text', text: part.text }];
      case 'thinking':
        return thinkingShown ? [{ type: 'thinking', thinking: part.text, signature: part.signature ?? '' }] : [];
      case 'redactedThinking':
        return thinkingShown ? [{ type: 'redacted_thinking', data: part.data }] : [];
      case 'toolCall': {
        const id = toolUseId(part.id, requestId, call);
        call += 1;
        // Arguments that are no JSON object cannot be carried, and the client sees the call all the same.
        return [{ type: 'tool_use', id, name: part.name, input: parseObject(part.arguments) ?? {} }];
      }
      case 'image':
        return [];
    }
  });
}
