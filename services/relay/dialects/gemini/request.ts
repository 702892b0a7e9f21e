import { z } from 'zod';
import { ApiError } from '../../../http/errors.ts';
import { readJsonBody, spellingOf } from '../../wire/jsonBody.ts';
import type { Framing } from './itemFraming.ts';
import { inOneSpelling, refuseOtherCase, snakeCase } from './spelling.ts';

const name = z.string().min(1).max(256);
const mimeType = z.string().min(1).max(256);
const anyObject = z.record(z.string(), z.unknown());

const media = {
  inlineData: z.looseObject({ mimeType, data: z.string(), displayName: z.string().max(1_024).nullish() }).nullish(),
  fileData: z.looseObject({ fileUri: z.string().min(1).max(8_192), mimeType: mimeType.nullish() }).nullish(),
};
const functionCall = z.looseObject({ id: z.string().max(256).nullish(), name, args: anyObject.nullish() });
const functionResponse = z.looseObject({
  id: z.string().max(256).nullish(),
  name,
  response: anyObject.nullish(),
  parts: z.array(z.looseObject(media)).max(1_000).nullish(),
});
const part = z.looseObject({
  ...media,
  text: z.string().nullish(),
  thought: z.boolean().nullish(),
  thoughtSignature: z.string().nullish(),
  functionCall: functionCall.nullish(),
  functionResponse: functionResponse.nullish(),
});
const content = z.looseObject({
  role: z.string().max(32).nullish(),
  parts: z.array(part).max(10_000).nullish(),
});
const functionDeclaration = z.looseObject({
  name,
  description: z.string().nullish(),
  parameters: anyObject.nullish(),
  parametersJsonSchema: z.unknown().optional(),
});
const tool = z.looseObject({ functionDeclarations: z.array(functionDeclaration).max(1_024).nullish() });
const functionCallingConfig = z.looseObject({
  mode: z.string().max(64).nullish(),
  allowedFunctionNames: z.array(name).max(1_024).nullish(),
});
const generationConfig = z.looseObject({
  temperature: z.number().min(0).max(2).nullish(),
  topP: z.number().min(0).max(1).nullish(),
  topK: z.number().min(0).nullish(),
  candidateCount: z.int().min(1).max(8).nullish(),
  maxOutputTokens: z.int().min(1).nullish(),
  stopSequences: z.array(z.string()).max(64).nullish(),
  responseMimeType: z.string().max(256).nullish(),
  responseSchema: anyObject.nullish(),
  responseJsonSchema: z.unknown().optional(),
  seed: z.int().nullish(),
  presencePenalty: z.number().min(-2).max(2).nullish(),
  frequencyPenalty: z.number().min(-2).max(2).nullish(),
  responseLogprobs: z.boolean().nullish(),
  logprobs: z.int().nullish(),
  responseModalities: z.array(z.string().max(64)).max(16).nullish(),
  thinkingConfig: z
    .looseObject({
      includeThoughts: z.boolean().nullish(),
      thinkingBudget: z.int().min(-1).nullish(),
      thinkingLevel: z.string().max(64).nullish(),
    })
    .nullish(),
});

/** What a model is shown; `countTokens` takes it too. */
export const shownToModel = {
  contents: z.array(content).min(1).max(10_000),
  /** Some clients give the text alone. */
  systemInstruction: z.union([z.string(), content]).nullish(),
  tools: z.array(tool).max(128).nullish(),
};

/** `generateContent`: what we act on, with bounds, in camelCase; every other member is passed through untouched. */
const generateContentBody = z.looseObject({
  ...shownToModel,
  toolConfig: z.looseObject({ functionCallingConfig: functionCallingConfig.nullish() }).nullish(),
  cachedContent: z.string().max(1_024).nullish(),
  generationConfig: generationConfig.nullish(),
});

export type GeminiBody = z.infer<typeof generateContentBody>;
export type GeminiContent = GeminiBody['contents'][number];
export type GeminiPart = NonNullable<GeminiContent['parts']>[number];

/** What the path and query of a call say. */
export interface Target {
  readonly model: string;
  readonly method: 'generateContent' | 'streamGenerateContent';
  /** The query has `alt=sse`. */
  readonly sse: boolean;
}

export interface GeminiRequest {
  /** In one spelling. */
  readonly body: GeminiBody;
  /** The bytes as the client sent them: a JSON object. */
  readonly raw: Buffer;
  readonly model: string;
  readonly framing: Framing;
  /** Tokens per candidate that the client allows, null when it does not say. */
  readonly maxOutput: number | null;
  readonly choices: number;
  /** The client wants to see the model's thoughts. */
  readonly thoughtsShown: boolean;
}

/**
 * Reads a body in either spelling. Throws ApiError `invalid_json` or `invalid_request` (with the path of the first
 * problem), and `unsupported_parameter` for cached contents: they belong to an account at Google that clients share, and
 * no hold covers their tokens.
 */
export function parseGeminiRequest(raw: Buffer, maxDepth: number, target: Target): GeminiRequest {
  const body = readJsonBody(raw, maxDepth, z.preprocess(inOneSpelling, generateContentBody), OUR_MEMBERS);
  const config = body.generationConfig ?? {};
  refuseOtherCase(config, PRICED_MEMBERS);
  if (body.cachedContent) {
    throw new ApiError('unsupported_parameter', { detail: 'Cached contents cannot be used.', param: 'cachedContent' });
  }
  return {
    body,
    raw,
    model: target.model,
    framing: target.method === 'generateContent' ? 'whole' : target.sse ? 'sse' : 'array',
    maxOutput: config.maxOutputTokens ?? null,
    choices: config.candidateCount ?? 1,
    thoughtsShown: config.thinkingConfig?.includeThoughts === true,
  };
}

/** Both spellings; that only one of the two stands is seen to by `inOneSpelling`. */
const OUR_MEMBERS = spellingOf(Object.keys(generateContentBody.shape).flatMap((member) => [member, snakeCase(member)]));

/** Members of the generationConfig that bound the output. */
const PRICED_MEMBERS = ['maxOutputTokens', 'candidateCount'];
