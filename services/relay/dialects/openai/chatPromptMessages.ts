import { ApiError } from '../../../http/errors.ts';
import type { Message, Part, TextPart, ToolCallPart } from '../../canonical/prompt.ts';
import { isObject, objectsIn, parseObject, textIn, type Json } from '../../wire/json.ts';
import { imagePart, readPart, textParts } from './chatPromptParts.ts';
import type { ChatBody, ChatMessage } from './chatRequest.ts';

interface Conversation {
  readonly system: readonly TextPart[];
  readonly messages: readonly Message[];
}

/** Names of the functions that were called so far, by call id; results of dialects without ids need them. */
type Called = Map<string, string>;

/** Instructions are taken from wherever they stand. Throws ApiError with the path of what is wrong. */
export function readMessages(stated: ChatBody['messages']): Conversation {
  const system: TextPart[] = [];
  const messages: Message[] = [];
  const called: Called = new Map();
  stated.forEach((message, index) => {
    const param = `messages.${String(index)}`;
    switch (message.role) {
      case 'system':
      case 'developer':
        system.push(...textParts(message.content, param));
        return;
      case 'user':
        messages.push({ role: 'user', parts: contentParts(message, param) });
        return;
      case 'assistant':
        messages.push({ role: 'assistant', parts: assistantParts(message, param, called) });
        return;
      case 'tool':
        messages.push(toolResult(message, textIn(message['tool_call_id']), param, called));
        return;
      case 'function': {
        // Calls of this older kind have no id, so the last one of that name is meant.
        const name = textIn(message['name']);
        const id = [...called].findLast(([, calledName]) => calledName === name)?.[0];
        messages.push(toolResult(message, id ?? '', param, called));
        return;
      }
    }
  });
  return { system, messages };
}

function contentParts({ content }: ChatMessage, param: string): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return (content ?? []).map((part, index) => readPart(part, `${param}.content.${String(index)}`));
}

/** Thinking that the client gives back has no signature in this dialect; images stand where answers have them. */
function assistantParts(message: ChatMessage, param: string, called: Called): Part[] {
  if (isObject(message['audio'])) {
    const detail = 'An earlier answer in audio lies with the provider that gave it.';
    throw new ApiError('unsupported_parameter', { detail, param: `${param}.audio` });
  }
  const thinking = textIn(message['reasoning_content']) || textIn(message['reasoning']);
  const refusal = textIn(message['refusal']);
  const calls = objectsIn(message['tool_calls']).map((call, index) => {
    const path = `${param}.tool_calls.${String(index)}`;
    return readCall(call, textIn(call['id']), path, `${path}.function`, called);
  });
  const older = message['function_call'];
  if (isObject(older)) {
    const id = `call_${String(called.size)}`;
    calls.push(readCall({ function: older }, id, param, `${param}.function_call`, called));
  }
  return [
    ...(thinking === '' ? [] : [{ type: 'thinking', text: thinking, signature: null } as const]),
    ...contentParts(message, param),
    ...objectsIn(message['images']).map((image, index) =>
      imagePart(image['image_url'], `${param}.images.${String(index)}`),
    ),
    ...(refusal === '' ? [] : [{ type: 'refusal', text: refusal } as const]),
    ...calls,
  ];
}

function readCall(call: Json, id: string, param: string, functionParam: string, called: Called): ToolCallPart {
  const { type = 'function' } = call;
  if (type !== 'function') {
    const detail = 'The provider of this model knows only function calls.';
    throw new ApiError('unsupported_parameter', { detail, param: `${param}.type` });
  }
  const stated = isObject(call['function']) ? call['function'] : {};
  const name = textIn(stated['name']);
  if (id === '') throw invalid(`${param}.id`, 'must be the id of the call');
  if (name === '') throw invalid(`${functionParam}.name`, 'must name the function');
  const signature = signatureOf(call);
  called.set(id, name);
  const json = argumentsOf(stated['arguments'], `${functionParam}.arguments`);
  return { type: 'toolCall', id, name, arguments: json, ...(signature !== '' && { signature }) };
}

/** An empty text is what some clients give back of a call without arguments. */
function argumentsOf(stated: unknown, param: string): string {
  const text = stated ?? '';
  if (typeof text === 'string' && text.trim() === '') return '{}';
  if (typeof text !== 'string' || !parseObject(text)) throw invalid(param, 'must be the JSON text of an object');
  return text;
}

/** Gemini's proof of its thinking, in the place where Google's own endpoint of this dialect puts it. */
function signatureOf(call: Json): string {
  const extra = isObject(call['extra_content']) ? call['extra_content']['google'] : null;
  return isObject(extra) ? textIn(extra['thought_signature']) : '';
}

function toolResult(message: ChatMessage, callId: string, param: string, called: Called): Message {
  if (callId === '') {
    const missing = message.role === 'function' ? 'name' : 'tool_call_id';
    throw invalid(`${param}.${missing}`, 'must name the call that this answers');
  }
  const name = called.get(callId) ?? (textIn(message['name']) || null);
  const parts = contentParts(message, param);
  return { role: 'tool', parts: [{ type: 'toolResult', callId, name, parts, isError: false }] };
}

function invalid(param: string, problem: string): ApiError {
  return new ApiError('invalid_request', { detail: `${param}: ${problem}`, param });
}
