import { z } from 'zod';
import type { Tool, ToolChoice } from '../../canonical/prompt.ts';
import { checked, notCarried, notValid } from './checked.ts';
import type { PromptBody } from './request.ts';

const functionName = z.string().regex(/^[\w-]{1,128}$/, 'must be 1 to 128 letters, digits, _ or -');
const functionTool = z.looseObject({
  name: functionName,
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
});
const namedChoice = z.looseObject({ name: functionName });
const allowedChoice = z.looseObject({
  mode: z.enum(['auto', 'required']),
  tools: z.array(z.looseObject({ type: z.string().max(64) })).min(1),
});
const plainChoice = z.enum(['auto', 'none', 'required']);

export interface ToolUse {
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice | null;
}

/**
 * The functions of a request. Other tools run at OpenAI, so no other provider can serve them. Of `allowed_tools`, only
 * the allowed ones are kept. A function without `strict` leaves the choice to the provider that gets it.
 * Throws ApiError `invalid_request` or `unsupported_parameter`.
 */
export function readTools(body: PromptBody): ToolUse {
  const tools = (body.tools ?? []).map((tool, index) => readTool(tool, `tools.${String(index)}`));
  const choice = body.tool_choice ?? null;
  if (choice === null) return { tools, toolChoice: null };
  if (typeof choice === 'string') return { tools, toolChoice: { kind: checked(choice, plainChoice, 'tool_choice') } };
  if (choice.type === 'function') return { tools, toolChoice: { kind: 'tool', name: chosen(choice, tools) } };
  if (choice.type !== 'allowed_tools') throw notCarried('tool_choice.type', 'only functions can be chosen');
  const { mode, tools: listed } = checked(choice, allowedChoice, 'tool_choice');
  const allowed = new Set(listed.map((tool, index) => allowedName(tool, tools, `tool_choice.tools.${String(index)}`)));
  return { tools: tools.filter(({ name }) => allowed.has(name)), toolChoice: { kind: mode } };
}

function readTool(tool: { readonly type: string }, place: string): Tool {
  if (tool.type !== 'function') throw notCarried(`${place}.type`, 'only functions can be carried to other providers');
  const { name, description = null, parameters = null, strict = null } = checked(tool, functionTool, place);
  return { name, description, parameters, strict };
}

function allowedName(tool: { readonly type: string }, tools: readonly Tool[], place: string): string {
  if (tool.type !== 'function') throw notCarried(`${place}.type`, 'only functions can be chosen');
  return chosen(tool, tools, place);
}

function chosen(value: unknown, tools: readonly Tool[], place = 'tool_choice'): string {
  const { name } = checked(value, namedChoice, place);
  if (tools.every((tool) => tool.name !== name)) throw notValid(`${place}.name`, 'no tool has this name');
  return name;
}
