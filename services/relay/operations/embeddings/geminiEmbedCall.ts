import type { Passage, RelayCall } from '../../call.ts';
import type { UpstreamProtocol } from '../../canonical/crossing.ts';
import type { Channel, Protocol } from '../../ports.ts';
import { bodyToCount, bodyTokenBound, type BodyRules } from '../../usage/bodySize.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { isObject, parseObject, type Json } from '../../wire/json.ts';
import { jsonRequest } from '../channels.ts';
import { countIn } from '../mediaUsage.ts';
import { WholeAnswer, type Understood } from '../wholeAnswer.ts';
import {
  attachmentsIn,
  parseGeminiEmbed,
  textsToEmbed,
  type GeminiEmbedBody,
  type GeminiEmbedMethod,
} from './geminiRequest.ts';
import { TOKENS_PER_INPUT } from './size.ts';
import { askVectors, geminiPath, readVectors } from './vectors.ts';

export interface GeminiEmbedOptions {
  /** As the path names it, without `models/`. It holds whatever model the body names. */
  readonly model: string;
  readonly method: GeminiEmbedMethod;
  readonly spoken: (protocol: Protocol) => UpstreamProtocol;
}

/** Gemini's count of an image, and of some seconds of sound. */
const TOKENS_PER_ATTACHMENT = 258;

/** Models embed images, sound and files too. */
const SIZE_RULES: BodyRules = {
  outside: new Set(),
  attached: new Set(['inlineData', 'inline_data', 'fileData', 'file_data']),
  silent: new Set(['model', 'taskType', 'task_type', 'role']),
};

/** `POST /v1beta/models/{model}:embedContent` or `:batchEmbedContents`. Throws ApiError for a body that is not one. */
export function geminiEmbedCall(raw: Buffer, maxDepth: number, { model, method }: GeminiEmbedOptions): RelayCall {
  const read = parseGeminiEmbed(raw, maxDepth, method);
  return {
    route: `/v1beta/models/{model}:${method}`,
    model,
    streamed: false,
    raw,
    bounds: () => ({
      inputTokens: bodyTokenBound(read.body, SIZE_RULES) + read.requests.length * TOKENS_PER_INPUT,
      outputTokens: 0,
      other: {},
    }),
    promptToCount: () => ({
      texts: bodyToCount(read.body, SIZE_RULES).texts,
      overhead: attachmentsIn(read) * TOKENS_PER_ATTACHMENT,
    }),
    passage: (channel) =>
      channel.protocol === 'gemini' ? passThrough(raw, read, method, channel) : crossed(read, method, channel),
  };
}

function passThrough(raw: Buffer, read: GeminiEmbedBody, method: GeminiEmbedMethod, channel: Channel): Passage {
  return {
    request: jsonRequest(geminiPath(channel.upstreamModel, method), namedBody(raw, read, method, channel)),
    read: () => new WholeAnswer((text) => understood(text, method)),
  };
}

/** Every request of a batch must name the model that is asked; a single one may. */
function namedBody(
  raw: Buffer,
  { body, requests }: GeminiEmbedBody,
  method: GeminiEmbedMethod,
  channel: Channel,
): Buffer {
  const name = `models/${channel.upstreamModel}`;
  const named = ({ model }: { readonly model?: unknown }): boolean =>
    model === name || (method === 'embedContent' && (model === undefined || model === null));
  if (requests.every(named)) return raw;
  const renamed = requests.map((request) => ({ ...request, model: name }));
  return Buffer.from(JSON.stringify(method === 'embedContent' ? renamed[0] : { ...body, requests: renamed }));
}

function understood(text: string, method: GeminiEmbedMethod): Understood | null {
  const body = parseObject(text);
  if (!body || body['error']) return null;
  const whole = method === 'embedContent' ? isObject(body['embedding']) : Array.isArray(body['embeddings']);
  return whole ? { reported: reportedIn(body), write: () => text } : null;
}

function reportedIn(body: Json): ReportedUsage {
  const metadata = body['usageMetadata'];
  const tokens = countIn(isObject(metadata) ? metadata['promptTokenCount'] : null);
  return { input: tokens === null ? null : { uncachedInput: tokens }, output: {} };
}

function crossed(read: GeminiEmbedBody, method: GeminiEmbedMethod, channel: Channel): Passage {
  const asked = textsToEmbed(read);
  return {
    request: askVectors(asked, channel),
    read: () =>
      new WholeAnswer((text) => {
        const answer = readVectors(text, channel, asked.texts.length);
        if (!answer) return null;
        const embeddings = answer.vectors.map((values) => ({ values }));
        const written = method === 'embedContent' ? { embedding: embeddings[0] } : { embeddings };
        return { reported: answer.reported, write: () => JSON.stringify(written) };
      }),
  };
}
