import { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';
import type { Tool, ToolChoice } from '../../canonical/prompt.ts';
import { isObject, textIn } from '../../wire/json.ts';
import type { ChatBody } from './chatRequest.ts';

const declaration = z.looseObject({
  name: z.string().min(1).max(256),
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});

/** The functions of `tools` and of the `functions` before it. Throws ApiError. */
export function readTools(body: ChatBody): Tool[] {
  const tools = (body.tools ?? []).map((tool, index) => {
    const param = `tools.${String(index)}`;
    if (tool.type !== 'function')
      throw unsupported(`${param}.type`, 'The provider of this model knows only functions.');
    return readTool(tool['function'], `${param}.function`);
  });
  const functions: unknown = body['functions'] ?? [];
  if (!Array.isArray(functions) || functions.length > 1_024) throw invalid('functions', 'must be a list of functions');
  return [...tools, ...functions.map((stated, index) => readTool(stated, `functions.${String(index)}`))];
}

function readTool(stated: unknown, param: string): Tool {
  const read = declaration.safeParse(stated);
  if (!read.success) {
    const issue = read.error.issues[0];
    throw invalid([param, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'not valid');
  }
  const { name, description = null, parameters = null, strict = null } = read.data;
  return { name, description, parameters, strict };
}

/** `tool_choice`, or the `function_call` before it. Throws ApiError. */
export function readToolChoice(body: ChatBody): ToolChoice | null {
  const param = (body['tool_choice'] ?? null) === null ? 'function_call' : 'tool_choice';
  const stated: unknown = body[param];
  if (stated === undefined || stated === null) return null;
  if (stated === 'auto' || stated === 'none' || stated === 'required') return { kind: stated };
  if (!isObject(stated)) throw invalid(param, 'must be auto, none, required or a function');
  const { type = 'function' } = stated;
  if (type !== 'function')
    throw unsupported(`${param}.type`, 'The provider of this model can only be told one function.');
  const named = param === 'tool_choice' ? stated['function'] : stated;
  const name = isObject(named) ? textIn(named['name']) : '';
  if (name === '') throw invalid(`${param}.name`, 'must name a function');
  return { kind: 'tool', name };
}

function invalid(param: string, problem: string): ApiError {
  return new ApiError('invalid_request', { detail: `${param}: ${problem}`, param });
}

function unsupported(param: string, detail: string): ApiError {
  return new ApiError('unsupported_parameter', { detail, param });
}
