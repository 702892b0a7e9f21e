import {
  CACHED,
  dividedUsage,
  halves,
  INPUT,
  OUTPUT,
  REASONING,
  RETRY_AFTER,
  SENTENCES,
  wantsStream,
  type FailureStatus,
  type Vendor,
  type VendorAnswer,
} from './vendor.ts';

const HEAD = { id: 'msg_01Fixture', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5-20250929' };
/** Of the first call; the next ones count up. */
const CALL_ID = 'toolu_01Fixture';
const SIGNATURE = 'EqQBCgIYAhIM';
const INPUT_USAGE = {
  input_tokens: INPUT - CACHED,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: CACHED,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
};

function event(type: string, members: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}

/** A block of an answer: how it starts, and the deltas that fill it. */
function block(index: number, start: object, deltas: readonly object[]): string[] {
  return [
    event('content_block_start', { index, content_block: start }),
    ...deltas.map((delta) => event('content_block_delta', { index, delta })),
    event('content_block_stop', { index }),
  ];
}

function blocks({ thinking, text, calls }: VendorAnswer): string[] {
  const made: string[][] = [];
  if (thinking !== '') {
    const deltas = [
      { type: 'thinking_delta', thinking },
      { type: 'signature_delta', signature: SIGNATURE },
    ];
    made.push(block(made.length, { type: 'thinking', thinking: '', signature: '' }, deltas));
  }
  if (text.length > 0) {
    const deltas = text.map((piece) => ({ type: 'text_delta', text: piece }));
    made.push(block(made.length, { type: 'text', text: '' }, deltas));
  }
  for (const [at, call] of calls.entries()) {
    const json = JSON.stringify(call.arguments);
    // A tool without arguments gets nothing but an empty piece.
    const deltas = ['', ...(json === '{}' ? [] : halves(json))].map((piece) => ({
      type: 'input_json_delta',
      partial_json: piece,
    }));
    made.push(
      block(made.length, { type: 'tool_use', id: `${CALL_ID}${String(at)}`, name: call.name, input: {} }, deltas),
    );
  }
  return made.flat();
}

function outputUsage({ thinking }: VendorAnswer): object {
  return {
    output_tokens: OUTPUT,
    ...(thinking !== '' && { output_tokens_details: { thinking_tokens: REASONING } }),
  };
}

function stopOf({ calls, cut }: VendorAnswer): object {
  const reason = calls.length > 0 ? 'tool_use' : 'end_turn';
  return { stop_reason: cut ? 'max_tokens' : reason, stop_sequence: null };
}

const TYPES: Readonly<Record<FailureStatus, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  429: 'rate_limit_error',
  500: 'api_error',
};

/** Anthropic's messages. */
export const claudeVendor: Vendor = {
  protocol: 'claude',
  basePath: '/v1',
  model: 'claude-sonnet-4-5',
  contentType: 'text/event-stream; charset=utf-8',
  streams: wantsStream,
  stream(answer) {
    const message = { ...HEAD, content: [], stop_reason: null, stop_sequence: null };
    return {
      begun: [
        event('message_start', { message: { ...message, usage: { ...INPUT_USAGE, output_tokens: 1 } } }),
        event('ping', {}),
        ...blocks(answer),
      ],
      ended: [
        event('message_delta', { delta: stopOf(answer), usage: { ...INPUT_USAGE, ...outputUsage(answer) } }),
        event('message_stop', {}),
      ],
    };
  },
  whole(answer) {
    const { thinking, text, calls } = answer;
    const content = [
      ...(thinking === '' ? [] : [{ type: 'thinking', thinking, signature: SIGNATURE }]),
      ...(text.length === 0 ? [] : [{ type: 'text', text: text.join('') }]),
      ...calls.map(({ name, arguments: input }, at) => ({
        type: 'tool_use',
        id: `${CALL_ID}${String(at)}`,
        name,
        input,
      })),
    ];
    return { ...HEAD, content, ...stopOf(answer), usage: { ...INPUT_USAGE, ...outputUsage(answer) } };
  },
  failure(status) {
    return {
      status,
      headers: status === 429 ? { 'retry-after': String(RETRY_AFTER) } : {},
      body: {
        type: 'error',
        error: { type: TYPES[status], message: SENTENCES[status] },
        request_id: 'req_011Fixture',
      },
    };
  },
  streamFailure: event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }),
  usage: dividedUsage,
};
