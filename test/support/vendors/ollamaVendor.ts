import { INPUT, OUTPUT, PLAIN_USAGE, RETRY_AFTER, SENTENCES, type Vendor, type VendorAnswer } from './vendor.ts';

const HEAD = { model: 'qwen3:8b', created_at: '2025-10-09T08:53:20.123456789Z' };
const END = {
  done: true,
  total_duration: 4_883_583_458,
  load_duration: 1_334_875,
  prompt_eval_count: INPUT,
  prompt_eval_duration: 342_546_000,
  eval_count: OUTPUT,
  eval_duration: 4_535_599_000,
};

function line(value: object): string {
  return `${JSON.stringify({ ...HEAD, ...value })}\n`;
}

function say(message: object): string {
  return line({ message: { role: 'assistant', content: '', ...message }, done: false });
}

function toolCalls({ calls }: VendorAnswer): object[] {
  return calls.map((call, index) => ({ function: { index, name: call.name, arguments: call.arguments } }));
}

function reasonOf({ cut }: VendorAnswer): object {
  return { done_reason: cut ? 'length' : 'stop' };
}

/** Ollama's own API. */
export const ollamaVendor: Vendor = {
  protocol: 'ollama',
  basePath: '',
  model: 'qwen3:8b',
  contentType: 'application/x-ndjson',
  // Ollama streams unless it is told not to.
  streams: (call) => (call.json() as { stream?: unknown }).stream !== false,
  stream(answer) {
    const { thinking, text } = answer;
    return {
      begun: [
        ...(thinking === '' ? [] : [say({ thinking })]),
        ...text.map((content) => say({ content })),
        ...(answer.calls.length > 0 ? [say({ tool_calls: toolCalls(answer) })] : []),
      ],
      ended: [line({ message: { role: 'assistant', content: '' }, ...reasonOf(answer), ...END })],
    };
  },
  whole(answer) {
    const { thinking, text, calls } = answer;
    const message = {
      role: 'assistant',
      content: text.join(''),
      ...(thinking !== '' && { thinking }),
      ...(calls.length > 0 && { tool_calls: toolCalls(answer) }),
    };
    return { ...HEAD, message, ...reasonOf(answer), ...END };
  },
  failure(status) {
    return {
      status,
      headers: status === 429 ? { 'retry-after': String(RETRY_AFTER) } : {},
      body: { error: SENTENCES[status] },
    };
  },
  streamFailure: `${JSON.stringify({ error: 'an error was encountered while running the model' })}\n`,
  usage: () => PLAIN_USAGE,
};
