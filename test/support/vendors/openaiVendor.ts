import {
  CACHED,
  dataLine,
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

const HEAD = {
  id: 'chatcmpl-fixture',
  created: 1_760_000_000,
  model: 'gpt-5-mini-2025-08-07',
  system_fingerprint: null,
};
/** Of the first call; the next ones count up. */
const CALL_ID = 'call_Fx9fixture';

function chunk(delta: object, finish: string | null = null): string {
  return dataLine({
    ...HEAD,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    usage: null,
  });
}

function toolPieces({ name, arguments: given }: VendorAnswer['calls'][number], index: number): string[] {
  const [first, second] = halves(JSON.stringify(given));
  const piece = (members: object) => chunk({ tool_calls: [{ index, ...members }] });
  return [
    piece({ id: `${CALL_ID}${String(index)}`, type: 'function', function: { name, arguments: '' } }),
    piece({ function: { arguments: first } }),
    piece({ function: { arguments: second } }),
  ];
}

function usageOf({ thinking }: VendorAnswer): object {
  return {
    prompt_tokens: INPUT,
    completion_tokens: OUTPUT,
    total_tokens: INPUT + OUTPUT,
    prompt_tokens_details: { cached_tokens: CACHED, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: thinking === '' ? 0 : REASONING, audio_tokens: 0 },
  };
}

function finishOf({ calls, cut }: VendorAnswer): string {
  if (cut) return 'length';
  return calls.length > 0 ? 'tool_calls' : 'stop';
}

const WORDS: Readonly<Record<FailureStatus, { readonly type: string; readonly code: string | null }>> = {
  400: { type: 'invalid_request_error', code: 'unsupported_value' },
  401: { type: 'invalid_request_error', code: 'invalid_api_key' },
  429: { type: 'requests', code: 'rate_limit_exceeded' },
  500: { type: 'server_error', code: null },
};

/** OpenAI's chat completions; thinking as the many servers have it that are like OpenAI's. */
export const openaiVendor: Vendor = {
  protocol: 'openai',
  basePath: '/v1',
  model: 'gpt-5-mini',
  contentType: 'text/event-stream; charset=utf-8',
  streams: wantsStream,
  stream(answer) {
    return {
      begun: [
        chunk({ role: 'assistant', content: answer.text.length === 0 ? null : '', refusal: null }),
        ...(answer.thinking === '' ? [] : [chunk({ reasoning_content: answer.thinking })]),
        ...answer.text.map((content) => chunk({ content })),
        ...answer.calls.flatMap(toolPieces),
      ],
      ended: [
        chunk({}, finishOf(answer)),
        dataLine({ ...HEAD, object: 'chat.completion.chunk', choices: [], usage: usageOf(answer) }),
        dataLine('[DONE]'),
      ],
    };
  },
  whole(answer) {
    const { text, calls } = answer;
    const message = {
      role: 'assistant',
      content: text.length === 0 ? null : text.join(''),
      refusal: null,
      ...(answer.thinking !== '' && { reasoning_content: answer.thinking }),
      ...(calls.length > 0 && {
        tool_calls: calls.map((call, index) => ({
          id: `${CALL_ID}${String(index)}`,
          type: 'function',
          function: { name: call.name, arguments: JSON.stringify(call.arguments) },
        })),
      }),
    };
    return {
      ...HEAD,
      object: 'chat.completion',
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(answer) }],
      usage: usageOf(answer),
    };
  },
  failure(status) {
    return {
      status,
      headers: status === 429 ? { 'retry-after': String(RETRY_AFTER) } : {},
      body: { error: { message: SENTENCES[status], param: null, ...WORDS[status] } },
    };
  },
  streamFailure: dataLine({ error: { message: 'The server had an error', type: 'server_error', code: null } }),
  usage: dividedUsage,
};
