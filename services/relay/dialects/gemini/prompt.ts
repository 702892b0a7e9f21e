import { ApiError } from '../../../http/errors.ts';
import type {
  AnswerFormat,
  ChatPrompt,
  Reasoning,
  Sampling,
  TextPart,
  Tool,
  ToolChoice,
} from '../../canonical/prompt.ts';
import { isObject } from '../../wire/json.ts';
import { clientMessages } from './clientMessages.ts';
import { jsonSchema } from './jsonSchema.ts';
import type { GeminiBody, GeminiRequest } from './request.ts';

type GenerationConfig = NonNullable<GeminiBody['generationConfig']>;
type ToolObject = NonNullable<GeminiBody['tools']>[number];

/** Members of a generationConfig that ask for what no other provider gives. */
const ELSEWHERE_UNKNOWN = ['speechConfig', 'imageConfig', 'logprobs', 'audioTimestamp'] as const;

const EFFORTS = { MINIMAL: 'minimal', LOW: 'low', MEDIUM: 'medium', HIGH: 'high' } as const;

/**
 * A conversation on its way to another provider. Throws ApiError `unsupported_parameter` for tools that Google runs
 * itself, files in Google's stores, answers other than text, log probabilities and enum answers;
 * `invalid_request` for a function response without its call.
 *
 * Dropped: safety settings, labels, the resolution of media, schemas of function responses, and the validation that the
 * mode VALIDATED asks for.
 */
export function geminiPrompt({ body, choices, maxOutput, framing }: GeminiRequest): ChatPrompt {
  const config = body.generationConfig ?? {};
  refuseUnknownElsewhere(config);
  const { tools, toolChoice } = toolsOf(body);
  return {
    system: systemOf(body.systemInstruction),
    messages: clientMessages(body.contents),
    tools,
    toolChoice,
    parallelTools: null,
    sampling: samplingOf(config),
    format: formatOf(config),
    reasoning: reasoningOf(config.thinkingConfig),
    maxOutput,
    choices,
    streamed: framing !== 'whole',
    session: null,
  };
}

function systemOf(instruction: GeminiBody['systemInstruction']): TextPart[] {
  if (typeof instruction === 'string') return [{ type: 'text', text: instruction }];
  return (instruction?.parts ?? []).flatMap((part): TextPart[] => {
    if (part.inlineData || part.fileData) throw unsupported('systemInstruction', 'Instructions must be text.');
    return part.text ? [{ type: 'text', text: part.text }] : [];
  });
}

function refuseUnknownElsewhere(config: GenerationConfig): void {
  const member = ELSEWHERE_UNKNOWN.find((name) => config[name] !== undefined && config[name] !== null);
  if (member !== undefined) throw unsupported(`generationConfig.${member}`);
  if (config.responseLogprobs === true) throw unsupported('generationConfig.responseLogprobs');
  if (config.responseModalities?.some((modality) => modality.toUpperCase() !== 'TEXT') === true) {
    throw unsupported('generationConfig.responseModalities', 'This model answers with text only.');
  }
}

function toolsOf({ tools, toolConfig }: GeminiBody): Pick<ChatPrompt, 'tools' | 'toolChoice'> {
  const declared = (tools ?? []).flatMap(functionsOf);
  const { mode, allowedFunctionNames } = toolConfig?.functionCallingConfig ?? {};
  const allowed = new Set(allowedFunctionNames ?? []);
  const usable = allowed.size > 0 ? declared.filter(({ name }) => allowed.has(name)) : declared;
  return { tools: usable, toolChoice: choiceOf(mode ?? '', usable, allowed) };
}

/** Of several allowed functions the others are not offered, which comes to the same. */
function choiceOf(mode: string, usable: readonly Tool[], allowed: ReadonlySet<string>): ToolChoice | null {
  switch (mode.toUpperCase()) {
    case '':
    case 'MODE_UNSPECIFIED':
      return null;
    case 'AUTO':
    case 'VALIDATED':
      return { kind: 'auto' };
    case 'NONE':
      return { kind: 'none' };
    case 'ANY': {
      const [only] = usable;
      return allowed.size === 1 && only ? { kind: 'tool', name: only.name } : { kind: 'required' };
    }
    default:
      throw unsupported('toolConfig.functionCallingConfig.mode');
  }
}

function functionsOf({ functionDeclarations, ...others }: ToolObject): Tool[] {
  const hosted = Object.keys(others).find((name) => others[name] !== null && others[name] !== undefined);
  if (hosted !== undefined) throw unsupported(`tools.${hosted}`, `This model cannot use the tool ${hosted}.`);
  return (functionDeclarations ?? []).map(({ name, description, parameters, parametersJsonSchema }) => ({
    name,
    description: description ?? null,
    parameters: isObject(parametersJsonSchema) ? parametersJsonSchema : parameters ? jsonSchema(parameters) : null,
    strict: null,
  }));
}

function samplingOf(config: GenerationConfig): Sampling {
  return {
    temperature: config.temperature ?? null,
    topP: config.topP ?? null,
    topK: config.topK ?? null,
    presencePenalty: config.presencePenalty ?? null,
    frequencyPenalty: config.frequencyPenalty ?? null,
    seed: config.seed ?? null,
    stop: config.stopSequences ?? [],
  };
}

function formatOf({ responseMimeType, responseSchema, responseJsonSchema }: GenerationConfig): AnswerFormat | null {
  const type = responseMimeType ?? '';
  const schema = isObject(responseJsonSchema) ? responseJsonSchema : responseSchema ? jsonSchema(responseSchema) : null;
  if (type === 'application/json') {
    return schema ? { kind: 'schema', name: 'answer', schema, strict: null } : { kind: 'json' };
  }
  if (type !== '' && type !== 'text/plain') throw unsupported('generationConfig.responseMimeType');
  if (schema) {
    const detail = 'A schema for the answer needs responseMimeType application/json.';
    throw new ApiError('invalid_request', { detail, param: 'generationConfig.responseMimeType' });
  }
  return null;
}

/** A budget of -1 leaves the amount to the model. That thoughts are not to be shown asks for none. */
function reasoningOf(config: GenerationConfig['thinkingConfig']): Reasoning | null {
  if (!config) return null;
  const shown = config.includeThoughts === true;
  const budget = config.thinkingBudget ?? null;
  const level = (config.thinkingLevel ?? '').toUpperCase();
  if (budget === 0) return { effort: 'none', budgetTokens: null, shown };
  if (budget !== null && budget > 0) return { effort: null, budgetTokens: budget, shown };
  if (level === '' || level === 'THINKING_LEVEL_UNSPECIFIED') {
    return shown || budget !== null ? { effort: null, budgetTokens: null, shown } : null;
  }
  const effort = Object.entries(EFFORTS).find(([known]) => known === level)?.[1];
  if (effort === undefined) throw unsupported('generationConfig.thinkingConfig.thinkingLevel');
  return { effort, budgetTokens: null, shown };
}

function unsupported(param: string, detail = `This model cannot take ${param}.`): ApiError {
  return new ApiError('unsupported_parameter', { detail, param });
}
