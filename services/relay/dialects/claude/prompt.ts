import { ApiError } from '../../../http/errors.ts';
import type { AnswerFormat, ChatPrompt, Reasoning, Tool, ToolChoice } from '../../canonical/prompt.ts';
import { isObject } from '../../wire/json.ts';
import { promptMessages, systemTexts } from './promptMessages.ts';
import { invalid } from './promptParts.ts';
import { showsThinking, type ClaudeBody } from './request.ts';

/** Members that only Claude's own platform can honour, and that change what an answer is or where it is made. */
const ONLY_CLAUDE = ['mcp_servers', 'container', 'inference_geo'] as const;

/**
 * A Messages body as other protocols are asked. Throws ApiError for server tools, blocks and members that only
 * Claude's own platform has. Dropped: `metadata`, `service_tier` and `context_management`; cache marks that do not
 * stand on a text; citations.
 */
export function claudePrompt(body: ClaudeBody): ChatPrompt {
  refuseUncarried(body);
  return {
    system: systemTexts(body),
    messages: promptMessages(body.messages),
    tools: (body.tools ?? []).map(tool),
    toolChoice: toolChoice(body),
    parallelTools: body.tool_choice?.disable_parallel_tool_use === true ? false : null,
    sampling: {
      temperature: body.temperature ?? null,
      topP: body.top_p ?? null,
      topK: body.top_k ?? null,
      presencePenalty: null,
      frequencyPenalty: null,
      seed: null,
      stop: body.stop_sequences ?? [],
    },
    format: answerFormat(body),
    reasoning: reasoning(body),
    maxOutput: body.max_tokens,
    choices: 1,
    streamed: body.stream === true,
    session: null,
  };
}

function refuseUncarried(body: ClaudeBody): void {
  for (const member of ONLY_CLAUDE) {
    const value = body[member];
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) continue;
    throw unsupported(`Only Claude's own platform knows ${member}.`, member);
  }
  if (body.max_tokens === 0) throw unsupported('The provider of this model has no cache to warm.', 'max_tokens');
}

type StatedTool = NonNullable<ClaudeBody['tools']>[number];

function tool(stated: StatedTool, index: number): Tool {
  const param = `tools.${String(index)}`;
  const { type, name, description, input_schema: schema, strict } = stated;
  if (type !== undefined && type !== null && type !== 'custom') {
    throw unsupported(`Only Claude has the tool ${type}.`, `${param}.type`);
  }
  if (typeof name !== 'string' || name === '') throw invalid(`${param}.name`, 'must be a name');
  if (!isObject(schema)) throw invalid(`${param}.input_schema`, 'must be a JSON Schema');
  return {
    name,
    description: typeof description === 'string' ? description : null,
    parameters: schema,
    strict: typeof strict === 'boolean' ? strict : null,
  };
}

function toolChoice({ tool_choice: choice }: ClaudeBody): ToolChoice | null {
  switch (choice?.type) {
    case undefined:
      return null;
    case 'any':
      return { kind: 'required' };
    case 'auto':
    case 'none':
      return { kind: choice.type };
    case 'tool':
      if (typeof choice.name !== 'string') throw invalid('tool_choice.name', 'must name a tool');
      return { kind: 'tool', name: choice.name };
  }
}

/** The schema has no name and no strictness of its own in this dialect. `output_format` is its older place. */
function answerFormat(body: ClaudeBody): AnswerFormat | null {
  const format = body.output_config?.['format'] ?? body['output_format'];
  if (format === undefined || format === null) return null;
  const schema = isObject(format) && format['type'] === 'json_schema' ? format['schema'] : null;
  if (!isObject(schema)) throw invalid('output_config.format', 'must hold a JSON Schema');
  return { kind: 'schema', name: 'answer', schema, strict: null };
}

type Effort = Reasoning['effort'];
const EFFORTS: ReadonlySet<unknown> = new Set<Effort>(['low', 'medium', 'high', 'xhigh', 'max']);

function reasoning(body: ClaudeBody): Reasoning | null {
  const stated = body.output_config?.effort ?? null;
  if (stated !== null && !EFFORTS.has(stated)) throw unsupported('This effort is not known.', 'output_config.effort');
  const effort = stated as Effort;
  const shown = showsThinking(body);
  switch (body.thinking?.type) {
    case undefined:
      return effort === null ? null : { effort, budgetTokens: null, shown };
    case 'disabled':
      return { effort: 'none', budgetTokens: null, shown };
    case 'adaptive':
      return { effort: effort ?? 'medium', budgetTokens: null, shown };
    case 'enabled':
      return { effort, budgetTokens: body.thinking.budget_tokens ?? null, shown };
    default:
      throw unsupported('This kind of thinking is not known.', 'thinking.type');
  }
}

function unsupported(detail: string, param: string): ApiError {
  return new ApiError('unsupported_parameter', { detail, param });
}
