import { ApiError } from '../../../http/errors.ts';
import type { AskedPrompt } from '../../canonical/crossing.ts';
import type { JsonObject, Reasoning, Tool, ToolChoice } from '../../canonical/prompt.ts';
import { isObject, type Json } from '../../wire/json.ts';
import { promptContents } from './promptContents.ts';
import { geminiToolName } from './toolNames.ts';

/** Google takes no more. */
const MAX_STOPS = 5;

/** Models from Gemini 3 on take levels; a budget is what every thinking model takes. */
const TAKES_LEVELS = /gemini-(?:[3-9]|\d{2})/i;
const LEVELS = { minimal: 'MINIMAL', low: 'LOW', medium: 'MEDIUM', high: 'HIGH', xhigh: 'HIGH', max: 'HIGH' } as const;
/** Tokens, as Google's own OpenAI layer gives them to the models of 2.5. */
const BUDGETS = { minimal: 1_024, low: 1_024, medium: 8_192, high: 24_576, xhigh: 24_576, max: 24_576 } as const;

/** Models of 2.5 refuse larger ones; Pro may think for longer than the others. */
const MOST_BUDGET = { pro: 32_768, others: 24_576 } as const;

/**
 * The body of a generateContent call. Throws ApiError `unsupported_parameter` for more than five stops, and for what
 * contents and function names cannot carry; `invalid_request` for a conversation that says nothing.
 *
 * Dropped, because the dialect has no place for them: `parallelTools`, the strictness of tools and formats and a
 * format's name, cache marks, the end user, the session.
 */
export function promptBody(prompt: AskedPrompt, upstreamModel: string): Json {
  let system: readonly Json[] = prompt.system.filter(({ text }) => text !== '').map(({ text }) => ({ text }));
  let contents: readonly Json[] = promptContents(prompt.messages, upstreamModel);
  if (contents.length === 0) {
    if (system.length === 0)
      throw new ApiError('invalid_request', { detail: 'There is no message.', param: 'messages' });
    contents = [{ role: 'user', parts: system }];
    system = [];
  }
  return stated({
    contents,
    systemInstruction: system.length > 0 ? { parts: system } : null,
    tools: prompt.tools.length > 0 ? [{ functionDeclarations: prompt.tools.map(declaration) }] : null,
    toolConfig:
      prompt.tools.length > 0 && prompt.toolChoice
        ? { functionCallingConfig: functionCalling(prompt.toolChoice) }
        : null,
    generationConfig: generationConfig(prompt, upstreamModel),
  });
}

function generationConfig({ sampling, format, ...prompt }: AskedPrompt, upstreamModel: string): Json {
  const { stop, ...numbers } = sampling;
  if (stop.length > MAX_STOPS) {
    const detail = `The provider of this model takes at most ${String(MAX_STOPS)} stop sequences.`;
    throw new ApiError('unsupported_parameter', { detail, param: 'stop' });
  }
  return stated({
    ...numbers,
    stopSequences: stop.length > 0 ? stop : null,
    candidateCount: prompt.choices > 1 ? prompt.choices : null,
    maxOutputTokens: prompt.maxOutput,
    responseMimeType: format ? 'application/json' : null,
    responseJsonSchema: format?.kind === 'schema' ? format.schema : null,
    thinkingConfig: prompt.reasoning && thinkingConfig(prompt.reasoning, upstreamModel),
  });
}

/** Only one of level and budget may be stated. Where thinking cannot be switched off the provider says so. */
function thinkingConfig({ effort, budgetTokens, shown }: Reasoning, upstreamModel: string): Json | null {
  const takesLevels = TAKES_LEVELS.test(upstreamModel);
  const most = /pro/i.test(upstreamModel) ? MOST_BUDGET.pro : MOST_BUDGET.others;
  const isOff = budgetTokens === 0 || (budgetTokens === null && effort === 'none');
  const config: Json = shown && !isOff ? { includeThoughts: true } : {};
  if (isOff) config['thinkingBudget'] = 0;
  else if (budgetTokens !== null) config['thinkingBudget'] = Math.min(budgetTokens, most);
  else if (effort !== null && effort !== 'none' && takesLevels) config['thinkingLevel'] = LEVELS[effort];
  else if (effort !== null && effort !== 'none') config['thinkingBudget'] = BUDGETS[effort];
  return Object.keys(config).length > 0 ? config : null;
}

function declaration({ name, description, parameters }: Tool): Json {
  return stated({
    name: geminiToolName(name),
    description,
    parametersJsonSchema: hasProperties(parameters) ? parameters : null,
  });
}

/** Older models reject an object schema that names no property; a function without parameters has none. */
function hasProperties(schema: JsonObject | null): boolean {
  if (schema === null) return false;
  const { type, properties, ...rest } = schema;
  if (isObject(properties) && Object.keys(properties).length > 0) return true;
  return !((type === 'object' || type === undefined) && Object.keys(rest).every((keyword) => EMPTY.has(keyword)));
}

/** Keywords that say nothing of the arguments of a function without any. */
const EMPTY: ReadonlySet<string> = new Set(['additionalProperties', 'required', '$schema', 'title', 'description']);

function functionCalling(choice: ToolChoice): Json {
  switch (choice.kind) {
    case 'auto':
      return { mode: 'AUTO' };
    case 'none':
      return { mode: 'NONE' };
    case 'required':
      return { mode: 'ANY' };
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [geminiToolName(choice.name)] };
  }
}

function stated(members: Json): Json {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}
