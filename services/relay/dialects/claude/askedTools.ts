import { ApiError } from '../../../http/errors.ts';
import type { ChatPrompt, JsonObject, Tool, ToolChoice } from '../../canonical/prompt.ts';
import type { Json } from '../../wire/json.ts';
import { closedSchema } from './closedSchema.ts';

const LEGAL_NAME = /^[a-zA-Z0-9_-]{1,128}$/;

type Asked = Pick<ChatPrompt, 'tools' | 'toolChoice' | 'parallelTools' | 'messages'>;

/**
 * Tools and their choice. Claude wants the tools of calls in the history to be declared: where the client declares
 * none, they are rebuilt from their names, and may not be called. Throws ApiError for a name that Claude cannot take.
 */
export function askedTools({ tools, toolChoice, parallelTools, messages }: Asked): Json {
  if (tools.length > 0) {
    const choice = askedChoice(toolChoice, parallelTools);
    return { tools: tools.map(declaration), ...(choice && { tool_choice: choice }) };
  }
  const called = new Set(
    messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'toolCall' ? [part.name] : []))),
  );
  if (called.size === 0) return {};
  const stubs = [...called].map((name) => declaration({ name, description: null, parameters: null, strict: null }));
  return { tools: stubs, tool_choice: { type: 'none' } };
}

function declaration({ name, description, parameters, strict }: Tool): Json {
  if (!LEGAL_NAME.test(name)) {
    const detail = `Claude takes letters, digits, _ and - in the name of a tool, at most 128; not "${name.slice(0, 64)}".`;
    throw new ApiError('unsupported_parameter', { detail, param: 'tools' });
  }
  return {
    name,
    ...(description !== null && description !== '' && { description }),
    input_schema: strict === true ? closedSchema(objectSchema(parameters), 'tools') : objectSchema(parameters),
    ...(strict === true && { strict }),
  };
}

/** A function without arguments has a schema too. */
function objectSchema(parameters: JsonObject | null): Json {
  if (parameters === null || Object.keys(parameters).length === 0) return { type: 'object', properties: {} };
  return Object.hasOwn(parameters, 'type') ? { ...parameters } : { type: 'object', ...parameters };
}

function askedChoice(choice: ToolChoice | null, parallel: boolean | null): Json | null {
  if (choice?.kind === 'none') return { type: 'none' };
  const single = parallel === false && { disable_parallel_tool_use: true };
  switch (choice?.kind) {
    case 'required':
      return { type: 'any', ...single };
    case 'tool':
      return { type: 'tool', name: choice.name, ...single };
    case 'auto':
      return { type: 'auto', ...single };
    case undefined:
      return single ? { type: 'auto', ...single } : null;
  }
}
