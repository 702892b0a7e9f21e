import { MODEL } from '../prompt.ts';
import { AS_PLAIN } from './openaiLike.ts';
import { nameless, SAID, SSE, ALL_SAID, withMember, type UsageProvider } from './provider.ts';

const fragment = (text: string, more: object = {}) => ({
  candidates: [{ content: { parts: [{ text }], role: 'model' }, index: 0, ...more }],
  modelVersion: MODEL,
  responseId: 'resp-1',
});

/** The last statement is on the last fragment; the others stand on those before it. */
function stream(states: readonly string[]): readonly string[] {
  const before = states.slice(0, -1);
  const fragments = before.map((state, index) => withMember(fragment(SAID[index] ?? ''), 'usageMetadata', state));
  const rest = SAID.slice(Math.min(before.length, SAID.length - 1));
  const last = withMember(fragment(rest.join(''), { finishReason: 'STOP' }), 'usageMetadata', states.at(-1));
  return nameless(...fragments, last);
}

function whole(states: readonly string[]): string {
  return withMember(fragment(ALL_SAID, { finishReason: 'STOP' }), 'usageMetadata', states.at(-1));
}

/** 11 words and 15 of template, its configuration included; 4 words. */
const ESTIMATED = { usage: { uncachedInput: 26, outputText: 4 }, source: 'estimated', picos: 46_000n } as const;
/** 26 × 1 000 + 40 × 5 000. */
const NO_INPUT = { usage: { uncachedInput: 26, outputText: 40 }, source: 'mixed', picos: 226_000n } as const;
/** 100 × 1 000 + 4 × 5 000. */
const NO_OUTPUT = { usage: { uncachedInput: 100, outputText: 4 }, source: 'mixed', picos: 120_000n } as const;

export const GEMINI_USAGE: UsageProvider = {
  name: 'Gemini',
  protocol: 'gemini',
  client: 'gemini sse',
  streamType: SSE,
  stream,
  whole,
  cases: [
    {
      what: 'cached input inside its prompt, thoughts beside its candidates',
      states: [
        '{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":10,"thoughtsTokenCount":30,"totalTokenCount":140}',
      ],
      usage: { uncachedInput: 40, cacheRead: 60, outputText: 10, reasoning: 30 },
      source: 'reported',
      picos: 276_000n, // 40 × 1 000 + 60 × 100 + 10 × 5 000 + 30 × 6 000
    },
    {
      what: 'the prompts of tools beside its own',
      states: ['{"promptTokenCount":80,"toolUsePromptTokenCount":20,"candidatesTokenCount":40,"totalTokenCount":140}'],
      ...AS_PLAIN,
    },
    {
      what: 'audio on both sides',
      states: [
        '{"promptTokenCount":100,"candidatesTokenCount":40,"promptTokensDetails":[{"modality":"TEXT","tokenCount":75},{"modality":"AUDIO","tokenCount":25}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":15}]}',
      ],
      usage: { uncachedInput: 75, audioInput: 25, outputText: 25, audioOutput: 15 },
      source: 'reported',
      picos: 750_000n, // 75 × 1 000 + 25 × 10 000 + 25 × 5 000 + 15 × 20 000
    },
    {
      what: 'audio of which a part was cached',
      states: [
        '{"promptTokenCount":100,"cachedContentTokenCount":20,"candidatesTokenCount":40,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":50}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":20}]}',
      ],
      usage: { uncachedInput: 50, cacheRead: 20, audioInput: 30, outputText: 40 },
      source: 'reported',
      picos: 552_000n, // 50 × 1 000 + 20 × 100 + 30 × 10 000 + 40 × 5 000
    },
    {
      what: 'images on both sides',
      states: [
        '{"promptTokenCount":100,"candidatesTokenCount":40,"promptTokensDetails":[{"modality":"IMAGE","tokenCount":25}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":15}]}',
      ],
      usage: { uncachedInput: 75, imageInput: 25, outputText: 25, imageOutput: 15 },
      source: 'reported',
      picos: 725_000n, // 75 × 1 000 + 25 × 3 000 + 25 × 5 000 + 15 × 30 000
    },
    {
      what: 'no count of its candidates, which its total tells',
      states: ['{"promptTokenCount":100,"totalTokenCount":140}'],
      ...AS_PLAIN,
    },
    {
      what: 'thoughts and no count of its candidates, which its total tells',
      states: ['{"promptTokenCount":100,"thoughtsTokenCount":30,"totalTokenCount":140}'],
      usage: { uncachedInput: 100, outputText: 10, reasoning: 30 },
      source: 'reported',
      picos: 330_000n, // 100 × 1 000 + 10 × 5 000 + 30 × 6 000
    },
    {
      what: 'running counts on every fragment',
      states: [
        '{"promptTokenCount":100,"totalTokenCount":100}',
        '{"promptTokenCount":100,"candidatesTokenCount":40,"totalTokenCount":140}',
      ],
      ...AS_PLAIN,
    },
    {
      what: 'zeros behind its counts',
      states: [
        '{"promptTokenCount":100,"candidatesTokenCount":40,"totalTokenCount":140}',
        '{"promptTokenCount":0,"candidatesTokenCount":0,"totalTokenCount":0}',
      ],
      streamedOnly: true,
      ...AS_PLAIN,
    },
    { what: 'nothing', states: [], ...ESTIMATED },
    { what: 'zeros', states: ['{"promptTokenCount":0,"candidatesTokenCount":0,"totalTokenCount":0}'], ...ESTIMATED },
    {
      what: 'no output although there is text',
      states: ['{"promptTokenCount":100,"candidatesTokenCount":0,"totalTokenCount":100}'],
      ...NO_OUTPUT,
    },
    { what: 'negative input', states: ['{"promptTokenCount":-100,"candidatesTokenCount":40}'], ...NO_INPUT },
    { what: 'endless output', states: ['{"promptTokenCount":100,"candidatesTokenCount":1e309}'], ...NO_OUTPUT },
    { what: 'texts', states: ['{"promptTokenCount":"100","candidatesTokenCount":"40"}'], ...ESTIMATED },
    {
      what: 'parts larger than their wholes',
      states: [
        '{"promptTokenCount":100,"cachedContentTokenCount":160,"candidatesTokenCount":40,"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":90}]}',
      ],
      usage: { cacheRead: 100, audioOutput: 40 },
      source: 'reported',
      picos: 810_000n, // 100 × 100 + 40 × 20 000
    },
  ],
};
