import { MODEL } from '../prompt.ts';
import { ALL_SAID, nameless, SAID, SSE, withMember, type UsageCase, type UsageProvider } from './provider.ts';

const HEAD = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_763_630_000, model: MODEL };
const chunk = (delta: object, finish: string | null = null, more: object = {}) => ({
  ...HEAD,
  choices: [{ index: 0, delta, finish_reason: finish }],
  ...more,
});
const CONTENT = SAID.map((content) => chunk({ content }));
const FINISH = chunk({}, 'stop');
const EMPTY = { ...HEAD, choices: [] };

/** Usage in a chunk of its own behind the finish, one for each statement; then `[DONE]`. */
const behindFinish = (states: readonly string[]): readonly string[] =>
  nameless(...CONTENT, FINISH, ...states.map((state) => withMember(EMPTY, 'usage', state)), '[DONE]');

const atTopOfWhole = (states: readonly string[]): string =>
  withMember(
    {
      ...HEAD,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: ALL_SAID }, finish_reason: 'stop' }],
    },
    'usage',
    states.at(-1),
  );

export const PLAIN = '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140}';
/** 100 × 1 000 + 40 × 5 000. */
export const AS_PLAIN = { usage: { uncachedInput: 100, outputText: 40 }, source: 'reported', picos: 300_000n } as const;
/** 11 words and 6 of template; 4 words: 17 × 1 000 + 4 × 5 000. */
export const AS_ESTIMATED = {
  usage: { uncachedInput: 17, outputText: 4 },
  source: 'estimated',
  picos: 37_000n,
} as const;
/** 17 × 1 000 + 40 × 5 000. */
export const OUTPUT_ONLY = { usage: { uncachedInput: 17, outputText: 40 }, source: 'mixed', picos: 217_000n } as const;
/** 100 × 1 000 + 4 × 5 000. */
export const INPUT_ONLY = { usage: { uncachedInput: 100, outputText: 4 }, source: 'mixed', picos: 120_000n } as const;

const OPENAI_CASES: readonly UsageCase[] = [
  { what: 'plain counts', states: [PLAIN], ...AS_PLAIN },
  {
    what: 'cached input and reasoning, each inside its whole',
    states: [
      '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"prompt_tokens_details":{"cached_tokens":60},"completion_tokens_details":{"reasoning_tokens":30}}',
    ],
    usage: { uncachedInput: 40, cacheRead: 60, outputText: 10, reasoning: 30 },
    source: 'reported',
    picos: 276_000n, // 40 × 1 000 + 60 × 100 + 10 × 5 000 + 30 × 6 000
  },
  {
    what: 'input written to a cache',
    states: [
      '{"prompt_tokens":100,"completion_tokens":40,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":20}}',
    ],
    usage: { uncachedInput: 20, cacheRead: 60, cacheWrite5m: 20, outputText: 40 },
    source: 'reported',
    picos: 251_000n, // 20 × 1 000 + 60 × 100 + 20 × 1 250 + 40 × 5 000
  },
  {
    what: 'audio on both sides',
    states: [
      '{"prompt_tokens":100,"completion_tokens":40,"prompt_tokens_details":{"audio_tokens":25},"completion_tokens_details":{"audio_tokens":15}}',
    ],
    usage: { uncachedInput: 75, audioInput: 25, outputText: 25, audioOutput: 15 },
    source: 'reported',
    picos: 750_000n, // 75 × 1 000 + 25 × 10 000 + 25 × 5 000 + 15 × 20 000
  },
  {
    what: 'images on both sides',
    states: [
      '{"prompt_tokens":100,"completion_tokens":40,"prompt_tokens_details":{"image_tokens":25},"completion_tokens_details":{"image_tokens":15}}',
    ],
    usage: { uncachedInput: 75, imageInput: 25, outputText: 25, imageOutput: 15 },
    source: 'reported',
    picos: 725_000n, // 75 × 1 000 + 25 × 3 000 + 25 × 5 000 + 15 × 30 000
  },
  {
    what: 'details that are null or nonsense',
    states: [
      '{"prompt_tokens":100,"completion_tokens":40,"prompt_tokens_details":null,"completion_tokens_details":"x"}',
    ],
    ...AS_PLAIN,
  },
  {
    what: 'parts larger than their wholes',
    states: [
      '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"prompt_tokens_details":{"cached_tokens":160,"audio_tokens":25},"completion_tokens_details":{"reasoning_tokens":90}}',
    ],
    usage: { cacheRead: 100, reasoning: 40 },
    source: 'reported',
    picos: 250_000n, // 100 × 100 + 40 × 6 000
  },
  {
    what: 'running counts, of which the last holds',
    states: ['{"prompt_tokens":100,"completion_tokens":10}', '{"prompt_tokens":100,"completion_tokens":25}', PLAIN],
    ...AS_PLAIN,
  },
  {
    what: 'zeros behind the counts',
    states: [PLAIN, '{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'],
    streamedOnly: true,
    ...AS_PLAIN,
  },
  { what: 'nothing', states: [], ...AS_ESTIMATED },
  { what: 'null', states: ['null'], ...AS_ESTIMATED },
  { what: 'zeros', states: ['{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'], ...AS_ESTIMATED },
  {
    what: 'no output although there is text',
    states: ['{"prompt_tokens":100,"completion_tokens":0,"total_tokens":100}'],
    ...INPUT_ONLY,
  },
  {
    what: 'no input although there is a prompt',
    states: ['{"prompt_tokens":0,"completion_tokens":40,"total_tokens":40}'],
    ...OUTPUT_ONLY,
  },
  { what: 'negative input', states: ['{"prompt_tokens":-100,"completion_tokens":40}'], ...OUTPUT_ONLY },
  { what: 'endless output', states: ['{"prompt_tokens":100,"completion_tokens":1e309}'], ...INPUT_ONLY },
  { what: 'fractions', states: ['{"prompt_tokens":100,"completion_tokens":40.5}'], ...INPUT_ONLY },
  { what: 'texts', states: ['{"prompt_tokens":"100","completion_tokens":"40"}'], ...AS_ESTIMATED },
  { what: 'a list', states: ['[100,40]'], ...AS_ESTIMATED },
  {
    what: 'more output than may be',
    states: ['{"prompt_tokens":100,"completion_tokens":4000,"total_tokens":4100}'],
    usage: { uncachedInput: 100, outputText: 500 },
    source: 'reported',
    picos: 2_600_000n, // 100 × 1 000 + 500 × 5 000
    clamped: true,
  },
];

const base = {
  protocol: 'openai',
  client: 'openai',
  streamType: SSE,
  stream: behindFinish,
  whole: atTopOfWhole,
} as const;

/** 4 of 10 tokens are text: 10 × 1 000 + 4 × 5 000 + 6 × 6 000. */
const XAI = { usage: { uncachedInput: 10, outputText: 4, reasoning: 6 }, source: 'reported', picos: 66_000n } as const;
/** 36 × 1 000 + 64 × 100 + 40 × 5 000. */
const CACHED_64 = {
  usage: { uncachedInput: 36, cacheRead: 64, outputText: 40 },
  source: 'reported',
  picos: 242_400n,
} as const;

export const OPENAI_LIKE: readonly UsageProvider[] = [
  { ...base, name: 'OpenAI', cases: OPENAI_CASES },
  {
    ...base,
    name: 'OpenAI, for a client of Responses',
    client: 'responses',
    cases: [
      ...OPENAI_CASES.filter(({ source }) => source === 'reported'),
      // The canonical prompt has one object more: 11 words and 9.
      { what: 'nothing', states: [], usage: { uncachedInput: 20, outputText: 4 }, source: 'estimated', picos: 40_000n },
    ],
  },
  {
    ...base,
    name: 'xAI',
    quirks: { usageExcludesReasoning: true },
    cases: [
      {
        what: 'reasoning beside the completion, as its total shows',
        states: [
          '{"prompt_tokens":10,"completion_tokens":4,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":6}}',
        ],
        ...XAI,
      },
      {
        what: 'reasoning inside the completion, as its total shows',
        states: [
          '{"prompt_tokens":10,"completion_tokens":10,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":6}}',
        ],
        ...XAI,
      },
      {
        what: 'reasoning and no total, as the channel says',
        states: ['{"prompt_tokens":10,"completion_tokens":4,"completion_tokens_details":{"reasoning_tokens":6}}'],
        ...XAI,
      },
      {
        what: 'cached input',
        states: [
          '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"prompt_tokens_details":{"cached_tokens":64}}',
        ],
        ...CACHED_64,
      },
    ],
  },
  {
    ...base,
    name: 'DeepSeek',
    // A queued call gets blank lines and comments first.
    stream: (states) => [': keep-alive\n\n', ...behindFinish(states)],
    whole: (states) => `\n\n\n${atTopOfWhole(states)}`,
    cases: [
      {
        what: 'hits and misses',
        states: [
          '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}',
        ],
        ...CACHED_64,
      },
      {
        what: 'reasoning inside the completion',
        states: [
          '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"prompt_cache_hit_tokens":0,"completion_tokens_details":{"reasoning_tokens":30}}',
        ],
        usage: { uncachedInput: 100, outputText: 10, reasoning: 30 },
        source: 'reported',
        picos: 330_000n, // 100 × 1 000 + 10 × 5 000 + 30 × 6 000
      },
      { what: 'nothing', states: [], ...AS_ESTIMATED },
    ],
  },
  {
    ...base,
    name: 'OpenRouter',
    stream: (states) => [': OPENROUTER PROCESSING\n\n', ...behindFinish(states)],
    cases: [
      {
        what: 'its own price beside the counts',
        states: [
          '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"cost":0.0123,"is_byok":false,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":20,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":30}}',
        ],
        usage: { uncachedInput: 20, cacheRead: 60, cacheWrite5m: 20, outputText: 10, reasoning: 30 },
        source: 'reported',
        picos: 281_000n, // 20 × 1 000 + 60 × 100 + 20 × 1 250 + 10 × 5 000 + 30 × 6 000
      },
    ],
  },
  {
    ...base,
    name: 'Moonshot',
    quirks: { usagePath: 'choices.0.usage' },
    stream: (states) =>
      nameless(
        ...CONTENT,
        `${JSON.stringify(HEAD).slice(0, -1)},"choices":[${withMember({ index: 0, delta: {}, finish_reason: 'stop' }, 'usage', states.at(-1))}]}`,
        '[DONE]',
      ),
    cases: [
      {
        what: 'usage inside the last choice',
        states: ['{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"cached_tokens":64}'],
        ...CACHED_64,
      },
      { what: 'nothing', states: [], ...AS_ESTIMATED },
    ],
  },
  {
    ...base,
    name: 'Groq',
    quirks: { usagePath: 'x_groq.usage' },
    stream: (states) =>
      nameless(...CONTENT, withMember(FINISH, 'x_groq', withMember({ id: 'req_1' }, 'usage', states.at(-1))), '[DONE]'),
    cases: [
      {
        what: 'usage in its own member',
        states: ['{"queue_time":0.1,"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"total_time":0.5}'],
        ...AS_PLAIN,
      },
      {
        what: 'cached input',
        states: ['{"prompt_tokens":100,"completion_tokens":40,"prompt_tokens_details":{"cached_tokens":64}}'],
        ...CACHED_64,
      },
      { what: 'nothing', states: [], ...AS_ESTIMATED },
    ],
  },
  ...['Mistral', 'Zhipu'].map((name): UsageProvider => ({
    ...base,
    name,
    quirks: { supportsStreamOptions: false },
    stream: (states) => nameless(...CONTENT, withMember(FINISH, 'usage', states.at(-1)), '[DONE]'),
    cases: [
      { what: 'usage on the finish itself', states: [PLAIN], ...AS_PLAIN },
      {
        what: 'cached input',
        states: [
          '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"prompt_tokens_details":{"cached_tokens":64}}',
        ],
        ...CACHED_64,
      },
      { what: 'nothing', states: [], ...AS_ESTIMATED },
    ],
  })),
  {
    ...base,
    name: 'Perplexity',
    stream: (states) => [
      ...nameless(
        ...states.map((state, index) => withMember(chunk({ content: SAID[index] ?? '' }), 'usage', state)),
        ...CONTENT.slice(states.length),
        FINISH,
      ),
    ],
    cases: [
      {
        what: 'running usage on each chunk, and no `[DONE]`',
        states: ['{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}', PLAIN],
        ...AS_PLAIN,
      },
      {
        what: 'counts of searches beside the tokens',
        states: [
          '{"prompt_tokens":100,"completion_tokens":2}',
          '{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"citation_tokens":999,"num_search_queries":3}',
        ],
        ...AS_PLAIN,
      },
    ],
  },
  {
    ...base,
    name: 'Azure',
    stream: (states) => [
      ...nameless({
        id: '',
        object: '',
        created: 0,
        model: '',
        choices: [],
        prompt_filter_results: [{ prompt_index: 0 }],
      }),
      ...behindFinish(states),
    ],
    cases: [
      { what: 'counts behind a first chunk without choices', states: [PLAIN], ...AS_PLAIN },
      { what: 'nothing, because its streams may not have usage', states: [], ...AS_ESTIMATED },
    ],
  },
];
