import { AS_PLAIN } from './openaiLike.ts';
import { nameless, SAID, SSE, withMember, type UsageCase, type UsageProvider } from './provider.ts';

/** 11 words of the query and 3 of template; 4 words: 14 × 1 000 + 4 × 5 000. */
const ESTIMATED = { usage: { uncachedInput: 14, outputText: 4 }, source: 'estimated', picos: 34_000n } as const;
/** 14 × 1 000 + 40 × 5 000. */
const NO_INPUT = { usage: { uncachedInput: 14, outputText: 40 }, source: 'mixed', picos: 214_000n } as const;
/** 100 × 1 000 + 4 × 5 000. */
const NO_OUTPUT = { usage: { uncachedInput: 100, outputText: 4 }, source: 'mixed', picos: 120_000n } as const;
/** 80 that nobody divides: the 4 words of the answer, and the rest is the prompt: 76 × 1 000 + 4 × 5 000. */
const UNDIVIDED = { usage: { uncachedInput: 76, outputText: 4 }, source: 'mixed', picos: 96_000n } as const;

const agent = { client: 'gateway', streamType: SSE, whole: null } as const;

const answer = (delta: object, finish: string | null = null) => ({
  ...{ id: '', object: '', created: 0, model: '' },
  choices: [{ delta, index: 0, finish_reason: finish }],
});
const fastgptEvent = (name: string, data: unknown) =>
  `event: ${name}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

/** Each statement is the text of a list of nodes. */
const FASTGPT: UsageProvider = {
  ...agent,
  name: 'FastGPT',
  protocol: 'fastgpt',
  stream: (states) => [
    ...SAID.map((content) => fastgptEvent('answer', answer({ role: 'assistant', content }))),
    // The usage of its chunks is a constant.
    fastgptEvent('answer', {
      ...answer({}, 'stop'),
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 1 },
    }),
    fastgptEvent('answer', '[DONE]'),
    ...states.map((nodes) => fastgptEvent('flowResponses', nodes)),
  ],
  cases: [
    {
      what: 'the tokens of one node',
      states: ['[{"moduleType":"chatNode","inputTokens":100,"outputTokens":40}]'],
      ...AS_PLAIN,
    },
    {
      what: 'the tokens of nodes and of the nodes inside them',
      states: [
        '[{"inputTokens":50,"outputTokens":10},{"moduleName":"x","pluginDetail":[{"inputTokens":50,"outputTokens":30}]}]',
      ],
      ...AS_PLAIN,
    },
    { what: 'undivided tokens, as older releases do', states: ['[{"tokens":50},{"tokens":30}]'], ...UNDIVIDED },
    { what: 'nothing but its constant', states: [], ...ESTIMATED },
    { what: 'zeros', states: ['[{"inputTokens":0,"outputTokens":0}]'], ...ESTIMATED },
    {
      what: 'absurd counts',
      states: ['[{"inputTokens":-100,"outputTokens":1e309},{"inputTokens":"100"}]'],
      ...ESTIMATED,
    },
    {
      what: 'nodes twice, of which the last list holds',
      states: ['[{"inputTokens":9,"outputTokens":9}]', '[{"inputTokens":100,"outputTokens":40}]'],
      ...AS_PLAIN,
    },
  ],
};

const IDS = { task_id: 'task-1', message_id: 'message-1', conversation_id: 'conversation-1' };

const DIFY_CASES: readonly UsageCase[] = [
  {
    what: 'counts at the end of the message',
    states: ['{"prompt_tokens":100,"completion_tokens":40,"total_tokens":140,"total_price":"0.1"}'],
    ...AS_PLAIN,
  },
  { what: 'a total alone', states: ['{"prompt_tokens":0,"completion_tokens":0,"total_tokens":80}'], ...UNDIVIDED },
  { what: 'nothing', states: [], ...ESTIMATED },
  { what: 'zeros', states: ['{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'], ...ESTIMATED },
  { what: 'a negative prompt', states: ['{"prompt_tokens":-100,"completion_tokens":40}'], ...NO_INPUT },
  { what: 'an endless answer', states: ['{"prompt_tokens":100,"completion_tokens":1e309}'], ...NO_OUTPUT },
  { what: 'texts', states: ['{"prompt_tokens":"100","completion_tokens":"40"}'], ...ESTIMATED },
];

const difySaid = SAID.map((text) => ({ event: 'message', answer: text, ...IDS }));
const difyEnd = (states: readonly string[]) =>
  withMember({ event: 'message_end', ...IDS }, 'metadata', withMember({}, 'usage', states.at(-1)));
const FLOW_END = { event: 'workflow_finished', ...IDS, data: { status: 'succeeded', total_tokens: 80 } };

const DIFY: UsageProvider = {
  ...agent,
  name: 'Dify',
  protocol: 'dify',
  stream: (states) => nameless(...difySaid, difyEnd(states), { event: 'tts_message_end', ...IDS, audio: '' }),
  cases: DIFY_CASES,
};

/** A flow's own total takes the place of zeros, before or after the message's end. */
const DIFY_FLOWS = [
  { name: 'Dify, with a flow that ends before its message', before: [FLOW_END], after: [] },
  { name: 'Dify, with a flow that ends after its message', before: [], after: [FLOW_END] },
].map(({ name, before, after }): UsageProvider => ({
  ...DIFY,
  name,
  stream: (states) => nameless(...difySaid, ...before, difyEnd(states), ...after),
  cases: [
    { what: 'counts at the end of the message', states: ['{"prompt_tokens":100,"completion_tokens":40}'], ...AS_PLAIN },
    { what: 'zeros', states: ['{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'], ...UNDIVIDED },
    { what: 'nothing', states: [], ...UNDIVIDED },
  ],
}));

const CHAT = { id: 'chat-1', conversation_id: 'conversation-1', bot_id: 'bot-1' };
const cozeEvent = (name: string, data: string) => `event:${name}\ndata:${data}\n\n`;

/** Each statement but the last is of a chat in progress. */
const COZE: UsageProvider = {
  ...agent,
  name: 'Coze',
  protocol: 'coze',
  stream: (states) => [
    cozeEvent('conversation.chat.created', JSON.stringify(CHAT)),
    ...states.slice(0, -1).map((state) => cozeEvent('conversation.chat.in_progress', withMember(CHAT, 'usage', state))),
    ...SAID.map((content) =>
      cozeEvent(
        'conversation.message.delta',
        JSON.stringify({ ...CHAT, id: 'message-1', chat_id: 'chat-1', type: 'answer', content }),
      ),
    ),
    cozeEvent('conversation.chat.completed', withMember(CHAT, 'usage', states.at(-1))),
    cozeEvent('done', '"[DONE]"'),
  ],
  cases: [
    {
      what: 'counts at the end of the chat',
      states: ['{"token_count":140,"input_count":100,"output_count":40}'],
      ...AS_PLAIN,
    },
    {
      what: 'zeros while it runs',
      states: [
        '{"token_count":0,"input_count":0,"output_count":0}',
        '{"token_count":140,"input_count":100,"output_count":40}',
      ],
      ...AS_PLAIN,
    },
    { what: 'a total alone', states: ['{"token_count":80}'], ...UNDIVIDED },
    { what: 'nothing', states: [], ...ESTIMATED },
    { what: 'zeros', states: ['{"token_count":0,"input_count":0,"output_count":0}'], ...ESTIMATED },
    { what: 'a negative prompt', states: ['{"input_count":-100,"output_count":40}'], ...NO_INPUT },
    { what: 'an endless answer', states: ['{"input_count":100,"output_count":1e309}'], ...NO_OUTPUT },
    { what: 'texts', states: ['{"input_count":"100","output_count":"40"}'], ...ESTIMATED },
  ],
};

export const AGENT_USAGE: readonly UsageProvider[] = [FASTGPT, DIFY, ...DIFY_FLOWS, COZE];
