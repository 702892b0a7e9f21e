import type { Protocol } from '../../../services/relay/ports.ts';
import { MODEL } from './prompt.ts';

type ToolProtocol = Exclude<Protocol, 'fastgpt' | 'dify' | 'coze'>;

const nameless = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const named = (data: { readonly type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

const chunk = (delta: object, finish: string | null = null) => ({
  ...{ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_763_630_000, model: MODEL },
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const called = (index: number, id: string, name: string) => ({
  content: null,
  tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }],
});
const argued = (index: number, json: string) => ({ tool_calls: [{ index, function: { arguments: json } }] });

const OPENAI = [
  chunk({ role: 'assistant', content: null }),
  chunk(called(0, 'call_a', 'weather')),
  chunk(argued(0, '{"ci')),
  chunk(argued(0, 'ty":"北京"}')),
  chunk(called(1, 'call_b', 'clock')),
  chunk(argued(1, '{"city":"👋🏽"}')),
  chunk({}, 'tool_calls'),
  { ...chunk({}), choices: [], usage: { prompt_tokens: 20, completion_tokens: 60, total_tokens: 80 } },
  '[DONE]',
].map(nameless);

const block = (index: number, id: string, name: string, ...jsons: readonly string[]) => [
  { type: 'content_block_start', index, content_block: { type: 'tool_use', id, name, input: {} } },
  ...jsons.map((partial_json) => ({
    ...{ type: 'content_block_delta', index },
    delta: { type: 'input_json_delta', partial_json },
  })),
  { type: 'content_block_stop', index },
];

const CLAUDE = [
  {
    type: 'message_start',
    message: {
      ...{ id: 'msg_01', type: 'message', role: 'assistant', model: MODEL, content: [] },
      ...{ stop_reason: null, stop_sequence: null, usage: { input_tokens: 20, output_tokens: 1 } },
    },
  },
  ...block(0, 'toolu_01', 'weather', '', '{"ci', 'ty":"北京"}'),
  ...block(1, 'toolu_02', 'clock', '{"city":"👋🏽"}'),
  { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { output_tokens: 60 } },
  { type: 'message_stop' },
].map(named);

const GEMINI = [
  {
    candidates: [
      {
        content: {
          role: 'model',
          parts: [
            { functionCall: { name: 'weather', args: { city: '北京' } }, thoughtSignature: 'c2ln' },
            { functionCall: { name: 'clock', args: { city: '👋🏽' } } },
          ],
        },
        finishReason: 'STOP',
        index: 0,
      },
    ],
    usageMetadata: { promptTokenCount: 20, candidatesTokenCount: 60, totalTokenCount: 80 },
    modelVersion: MODEL,
    responseId: 'resp-1',
  },
].map((fragment) => nameless(fragment).replaceAll('\n', '\r\n'));

const line = (message: object, more: object) =>
  `${JSON.stringify({ model: MODEL, created_at: '2026-11-20T09:30:00Z', message: { role: 'assistant', ...message }, ...more })}\n`;

const OLLAMA = [
  line(
    {
      content: '',
      tool_calls: [
        { function: { name: 'weather', arguments: { city: '北京' } } },
        { function: { name: 'clock', arguments: { city: '👋🏽' } } },
      ],
    },
    { done: false },
  ),
  line({ content: '' }, { done: true, done_reason: 'stop', prompt_eval_count: 20, eval_count: 60 }),
];

/** Two calls of tools and no text, with arguments of several bytes per character. */
export const TOOL_STREAMS: Readonly<Record<ToolProtocol, readonly string[]>> = {
  openai: OPENAI,
  claude: CLAUDE,
  gemini: GEMINI,
  ollama: OLLAMA,
};
