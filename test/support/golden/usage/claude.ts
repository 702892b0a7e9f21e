import { MODEL } from '../prompt.ts';
import { AS_ESTIMATED } from './openaiLike.ts';
import { ALL_SAID, SAID, SSE, withMember, type UsageProvider } from './provider.ts';

const event = (type: string, json: string) => `event: ${type}\ndata: ${json}\n\n`;
const MESSAGE = { id: 'msg_01', type: 'message', role: 'assistant', model: MODEL };
const ENDED = { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null } };

/** The first statement opens the stream, each further one is of a `message_delta`; an empty text states nothing. */
function stream([opening, ...later]: readonly string[]): readonly string[] {
  const stated = (text: string | undefined) => (text === '' ? undefined : text);
  const message = withMember({ ...MESSAGE, content: [], stop_reason: null }, 'usage', stated(opening));
  const deltas = SAID.map((text) =>
    JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  );
  return [
    event('message_start', withMember({ type: 'message_start' }, 'message', message)),
    event('content_block_start', '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'),
    ...deltas.map((delta) => event('content_block_delta', delta)),
    event('content_block_stop', '{"type":"content_block_stop","index":0}'),
    ...(later.length === 0 ? [''] : later).map((usage) =>
      event('message_delta', withMember(ENDED, 'usage', stated(usage))),
    ),
    event('message_stop', '{"type":"message_stop"}'),
  ];
}

function whole(states: readonly string[]): string {
  const content = [{ type: 'text', text: ALL_SAID }];
  const usage = states.at(-1);
  return withMember({ ...MESSAGE, content, stop_reason: 'end_turn' }, 'usage', usage === '' ? undefined : usage);
}

/** 25 × 1 000 + 100 × 100 + 15 × 5 000. */
const F2 = {
  usage: { uncachedInput: 25, cacheRead: 100, outputText: 15 },
  source: 'reported',
  picos: 110_000n,
} as const;
/** 25 × 1 000 + 15 × 5 000. */
const UNCACHED = { usage: { uncachedInput: 25, outputText: 15 }, source: 'reported', picos: 100_000n } as const;
/** 25 × 1 000 + 4 × 5 000. */
const NO_OUTPUT = { usage: { uncachedInput: 25, outputText: 4 }, source: 'mixed', picos: 45_000n } as const;
/** 17 × 1 000 + 15 × 5 000. */
const NO_INPUT = { usage: { uncachedInput: 17, outputText: 15 }, source: 'mixed', picos: 92_000n } as const;

const OPENING = '{"input_tokens":25,"cache_read_input_tokens":100,"output_tokens":1}';
const ALL = '{"input_tokens":25,"cache_read_input_tokens":100,"output_tokens":15}';

export const CLAUDE_USAGE: UsageProvider = {
  name: 'Claude',
  protocol: 'claude',
  client: 'claude',
  streamType: SSE,
  stream,
  whole,
  cases: [
    { what: 'input that excludes what was cached', states: [OPENING, ALL], ...F2 },
    { what: 'output alone at its end', states: [OPENING, '{"output_tokens":15}'], streamedOnly: true, ...F2 },
    {
      what: 'writes of both lives, and thinking',
      states: [
        '{"input_tokens":25,"output_tokens":1}',
        '{"input_tokens":25,"cache_read_input_tokens":100,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":15,"output_tokens_details":{"thinking_tokens":5}}',
      ],
      usage: { uncachedInput: 25, cacheRead: 100, cacheWrite5m: 10, cacheWrite1h: 20, outputText: 10, reasoning: 5 },
      source: 'reported',
      picos: 167_500n, // 25 × 1 000 + 100 × 100 + 10 × 1 250 + 20 × 2 000 + 10 × 5 000 + 5 × 6 000
    },
    {
      what: 'writes of no stated life, which are the short ones',
      states: [
        OPENING,
        '{"input_tokens":25,"cache_read_input_tokens":100,"cache_creation_input_tokens":30,"output_tokens":15}',
      ],
      usage: { uncachedInput: 25, cacheRead: 100, cacheWrite5m: 30, outputText: 15 },
      source: 'reported',
      picos: 147_500n, // 25 × 1 000 + 100 × 100 + 30 × 1 250 + 15 × 5 000
    },
    {
      what: 'a prompt that is cached whole',
      states: [
        '{"input_tokens":0,"cache_read_input_tokens":100,"output_tokens":1}',
        '{"input_tokens":0,"cache_read_input_tokens":100,"output_tokens":15}',
      ],
      usage: { cacheRead: 100, outputText: 15 },
      source: 'reported',
      picos: 85_000n, // 100 × 100 + 15 × 5 000
    },
    {
      what: 'running output, never summed',
      states: [OPENING, '{"output_tokens":5}', '{"output_tokens":10}', '{"output_tokens":15}'],
      streamedOnly: true,
      ...F2,
    },
    {
      what: 'zero and null for its input at the end, as Bedrock does',
      states: [OPENING, '{"input_tokens":0,"cache_read_input_tokens":null,"output_tokens":15}'],
      streamedOnly: true,
      ...F2,
    },
    {
      what: 'its input at the end only, as relays do',
      states: ['{"input_tokens":0,"output_tokens":0}', '{"input_tokens":25,"output_tokens":15}'],
      ...UNCACHED,
    },
    { what: 'nothing', states: ['', ''], ...AS_ESTIMATED },
    {
      what: 'nothing at the end, so the placeholder of its beginning is no count',
      states: ['{"input_tokens":25,"output_tokens":8}'],
      streamedOnly: true,
      ...NO_OUTPUT,
    },
    {
      what: 'no output although there is text',
      states: ['{"input_tokens":25,"output_tokens":1}', '{"input_tokens":25,"output_tokens":0}'],
      ...NO_OUTPUT,
    },
    {
      what: 'zeros',
      states: ['{"input_tokens":0,"output_tokens":0}', '{"input_tokens":0,"output_tokens":0}'],
      ...AS_ESTIMATED,
    },
    {
      what: 'negative input',
      states: ['{"input_tokens":-25}', '{"input_tokens":-25,"output_tokens":15}'],
      ...NO_INPUT,
    },
    {
      what: 'endless output',
      states: ['{"input_tokens":25}', '{"input_tokens":25,"output_tokens":1e309}'],
      ...NO_OUTPUT,
    },
    { what: 'texts', states: ['{"input_tokens":"25"}', '{"input_tokens":"25","output_tokens":"15"}'], ...AS_ESTIMATED },
    {
      what: 'parts larger than their wholes',
      states: [
        '{"input_tokens":25}',
        '{"input_tokens":25,"cache_creation_input_tokens":10,"cache_creation":{"ephemeral_5m_input_tokens":7,"ephemeral_1h_input_tokens":50},"output_tokens":15,"output_tokens_details":{"thinking_tokens":90}}',
      ],
      usage: { uncachedInput: 25, cacheWrite1h: 10, reasoning: 15 },
      source: 'reported',
      picos: 135_000n, // 25 × 1 000 + 10 × 2 000 + 15 × 6 000
    },
  ],
};
