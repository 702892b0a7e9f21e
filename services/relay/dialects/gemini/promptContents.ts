import { ApiError } from '../../../http/errors.ts';
import { inlineMediaType } from '../../canonical/inlineMediaType.ts';
import type { MediaSource, Message, Part, ToolCallPart, ToolResultPart } from '../../canonical/prompt.ts';
import { isObject, parseObject, type Json } from '../../wire/json.ts';
import { geminiToolName } from './toolNames.ts';

/** Google's documented value for a call whose thought signature is not known. Without one Gemini 3 answers 400. */
const UNKNOWN_SIGNATURE = 'skip_thought_signature_validator';
/** Models that know no thought signatures to ask for. */
const BEFORE_SIGNATURES = /gemini-[12](?:\D|$)/i;

/** Opens a conversation whose first turn is the model's, because Google wants a user's there. */
const OPENING: Json = { text: '…' };

interface Turn {
  readonly role: 'user' | 'model';
  readonly parts: Json[];
}

/**
 * The conversation in Google's form: turns of user and model, and the responses to all calls of a turn first in the
 * user's next one, with the images of tool results behind them. Throws ApiError `unsupported_parameter` for media that
 * would have to be fetched first and for files that lie with a provider; `invalid_request` for arguments that are no
 * object and for a result of no known function.
 *
 * Dropped: empty texts and turns, the detail of images, names of files, and thinking, whose proofs only the model that
 * made it can read; of that, thought signatures of calls are kept.
 */
export function promptContents(messages: readonly Message[], upstreamModel: string): Json[] {
  const turns: Turn[] = [];
  const names = new Map<string, string>();
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'model' : 'user';
    for (const part of message.parts) {
      if (part.type === 'toolCall') names.set(part.id, part.name);
      for (const written of partsOf(part, names)) add(turns, role, written);
    }
  }
  if (turns[0]?.role === 'model') turns.unshift({ role: 'user', parts: [OPENING] });
  const wantsSignatures = asksForSignatures(upstreamModel);
  return turns.map(({ role, parts }) => ({
    role,
    parts: role === 'user' ? responsesFirst(parts) : wantsSignatures ? signed(parts) : parts,
  }));
}

function add(turns: Turn[], role: Turn['role'], part: Json): void {
  const last = turns.at(-1);
  if (last?.role === role) last.parts.push(part);
  else turns.push({ role, parts: [part] });
}

function responsesFirst(parts: readonly Json[]): Json[] {
  const isResponse = (part: Json): boolean => Object.hasOwn(part, 'functionResponse');
  return [...parts.filter(isResponse), ...parts.filter((part) => !isResponse(part))];
}

/** Whether a model refuses a turn whose calls have no signature. */
export function asksForSignatures(upstreamModel: string): boolean {
  return !BEFORE_SIGNATURES.test(upstreamModel);
}

/** Of parallel calls only the first one carries a signature. */
export function signed<P extends Json>(parts: readonly P[]): P[] {
  const first = parts.findIndex((part) => isObject(part['functionCall']));
  return parts.map((part, index) =>
    index === first ? { ...part, thoughtSignature: part['thoughtSignature'] ?? UNKNOWN_SIGNATURE } : part,
  );
}

function partsOf(part: Part, names: ReadonlyMap<string, string>): Json[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ text: part.text }];
    case 'image':
    case 'audio':
    case 'file':
      return [{ inlineData: inlineData(part.source) }];
    case 'thinking':
    case 'redactedThinking':
      return [];
    case 'toolCall':
      return [functionCall(part)];
    case 'toolResult':
      return [functionResponse(part, names), ...part.parts.filter(isMedia).flatMap((inner) => partsOf(inner, names))];
  }
}

function isMedia({ type }: Part): boolean {
  return type === 'image' || type === 'audio' || type === 'file';
}

function inlineData(source: MediaSource): Json {
  if (source.kind === 'inline') return { mimeType: inlineMediaType(source), data: source.data };
  const detail =
    source.kind === 'url'
      ? 'The provider of this model takes images, audio and files only inline, not by URL.'
      : 'A file that lies with one provider cannot be read by the provider of this model.';
  throw new ApiError('unsupported_parameter', { detail, param: 'messages' });
}

function functionCall({ id, name, arguments: json, signature }: ToolCallPart): Json {
  const args = json.trim() === '' ? {} : parseObject(json);
  if (!args) {
    const detail = `The arguments of the tool call "${id}" are not a JSON object.`;
    throw new ApiError('invalid_request', { detail, param: 'messages' });
  }
  const call = { functionCall: { id, name: geminiToolName(name), args } };
  return signature === undefined ? call : { ...call, thoughtSignature: signature };
}

function functionResponse({ callId, name, parts, isError }: ToolResultPart, names: ReadonlyMap<string, string>): Json {
  const called = name ?? names.get(callId);
  if (called === undefined) {
    const detail = `The tool result for "${callId}" follows no call with that id.`;
    throw new ApiError('invalid_request', { detail, param: 'messages' });
  }
  return { functionResponse: { id: callId, name: geminiToolName(called), response: response(parts, isError) } };
}

/** Google wants an object. What is none, or an error, is put into one. */
function response(parts: readonly Part[], isError: boolean): Json {
  const text = parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  const object = parseObject(text);
  if (isError) return { error: object ?? text };
  return object ?? { result: text };
}
