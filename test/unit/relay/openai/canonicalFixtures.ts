import type { Billed } from '../../../../services/relay/call.ts';
import type { AnswerEvent, StreamDecoder } from '../../../../services/relay/canonical/answer.ts';
import type { AskedPrompt, WriteContext } from '../../../../services/relay/canonical/crossing.ts';
import type { ChatPrompt } from '../../../../services/relay/canonical/prompt.ts';
import { openaiProtocol } from '../../../../services/relay/dialects/openai/upstream.ts';
import type { Channel, ChannelQuirks } from '../../../../services/relay/ports.ts';

export const REQUEST_ID = '0198c0de-0000-7000-8000-000000000001';

export const CONTEXT: WriteContext = {
  requestId: REQUEST_ID,
  createdAt: 1_763_630_000,
  maxOutputTokens: 4_096,
  endUser: 'account-1',
  model: 'gpt-5-mini',
};

export const BILLED: Billed = { usage: { uncachedInput: 9, outputText: 3 }, picos: 8_550_000n, currency: 'USD' };

/** What `BILLED` is on the wire. */
export const BILLED_USAGE =
  '"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,' +
  '"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"audio_tokens":0,"image_tokens":0},' +
  '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"image_tokens":0},' +
  '"cost":0.00000855,"cost_currency":"USD"}';

export function channel(quirks: Partial<ChannelQuirks> = {}): Channel {
  return {
    name: 'main',
    protocol: 'openai',
    upstreamModel: 'vendor/model-1',
    quirks: {
      supportsStreamOptions: true,
      maxTokensField: 'max_completion_tokens',
      supportsDeveloperRole: true,
      supportsParallelTools: true,
      reasoningField: 'reasoning_content',
      usagePath: 'usage',
      usageExcludesReasoning: false,
      stripsParams: [],
      ...quirks,
    },
    clientGone: 'cancel',
    drainMaxMs: 1_000,
    timeouts: { firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000 },
    cost: null,
  };
}

const EMPTY_PROMPT: ChatPrompt = {
  system: [],
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  toolChoice: null,
  parallelTools: null,
  sampling: {
    temperature: null,
    topP: null,
    topK: null,
    presencePenalty: null,
    frequencyPenalty: null,
    seed: null,
    stop: [],
  },
  format: null,
  reasoning: null,
  maxOutput: null,
  choices: 1,
  streamed: false,
  session: null,
};

/** A prompt of one short message, changed as given. */
export function asked(change: Partial<ChatPrompt> = {}): AskedPrompt {
  return { ...EMPTY_PROMPT, ...change, maxOutput: 100, requestId: REQUEST_ID, endUser: 'account-1' };
}

/** The events of a stream that arrives in these pieces. */
export function decoded(pieces: readonly Buffer[], quirks: Partial<ChannelQuirks> = {}): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  const decoder: StreamDecoder = openaiProtocol.decoder((event) => events.push(event), channel(quirks));
  for (const piece of pieces) decoder.feed(piece);
  decoder.end();
  return events;
}

/** Texts of one kind that follow each other as one, so that cuts make no difference. */
export function joined(events: readonly AnswerEvent[]): AnswerEvent[] {
  const whole: AnswerEvent[] = [];
  for (const event of events) {
    const last = whole.at(-1);
    if (event.type === 'toolArguments' && last?.type === 'toolArguments' && last.call === event.call) {
      whole.splice(-1, 1, { ...last, json: last.json + event.json });
    } else whole.push(event);
  }
  return whole;
}
