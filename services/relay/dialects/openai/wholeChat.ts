import type { Billed } from '../../call.ts';
import type { AnswerChoice, AnswerPart, ChatAnswer } from '../../canonical/answer.ts';
import type { WriteContext } from '../../canonical/crossing.ts';
import { answerId, toolCallId } from './answerIds.ts';
import { withBilledUsage } from './billedUsage.ts';
import { asDataUri } from '../../wire/dataUri.ts';
import { writtenFinish } from './finishReasons.ts';

type ToolCall = Extract<AnswerPart, { type: 'toolCall' }>;

/**
 * A whole chat completion as JSON text. `functions`: calls are written as the one `function_call` that came before
 * tools; further ones are left out.
 */
export function wholeChat(answer: ChatAnswer, billed: Billed, context: WriteContext, functions: boolean): string {
  const { requestId, createdAt: created, model } = context;
  let calls = 0;
  const nextCallId = (): string => {
    calls += 1;
    return toolCallId(requestId, calls - 1);
  };
  const choices = answer.choices.map((choice, index) => wholeChoice(choice, index, nextCallId, functions));
  const id = answerId('chatcmpl-', answer.id, requestId);
  return withBilledUsage({ id, object: 'chat.completion', created, model, choices }, billed);
}

function wholeChoice({ parts, finish }: AnswerChoice, index: number, nextCallId: () => string, functions: boolean) {
  const text = textOf(parts, 'text');
  const thinking = textOf(parts, 'thinking');
  const refusal = textOf(parts, 'refusal');
  const images = parts.filter((part) => part.type === 'image');
  const calls = parts.filter((part) => part.type === 'toolCall').map((call) => toolCall(call, nextCallId));
  const reason = writtenFinish(finish, { calledTools: calls.length > 0, refused: refusal !== '' });
  const message = {
    role: 'assistant',
    content: text === '' && (calls.length > 0 || refusal !== '') ? null : text,
    refusal: refusal === '' ? null : refusal,
    ...(thinking !== '' && { reasoning_content: thinking }),
    ...(images.length > 0 && { images: images.map(image) }),
    ...(calls.length > 0 && (functions ? { function_call: calls[0]?.function } : { tool_calls: calls })),
  };
  const finishReason = functions && reason === 'tool_calls' ? 'function_call' : reason;
  return { index, message, logprobs: null, finish_reason: finishReason };
}

function textOf(parts: readonly AnswerPart[], type: 'text' | 'thinking' | 'refusal'): string {
  return parts.map((part) => (part.type === type ? part.text : '')).join('');
}

function toolCall({ id, name, arguments: json, signature }: ToolCall, nextCallId: () => string) {
  return {
    id: id ?? nextCallId(),
    type: 'function',
    function: { name, arguments: json },
    ...(signature !== null && { extra_content: { google: { thought_signature: signature } } }),
  };
}

function image(inline: { readonly mime: string; readonly data: string }) {
  return { type: 'image_url', image_url: { url: asDataUri(inline) } };
}
