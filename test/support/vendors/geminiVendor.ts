import {
  CACHED,
  dividedUsage,
  INPUT,
  OUTPUT,
  REASONING,
  RETRY_AFTER,
  SENTENCES,
  type FailureStatus,
  type Vendor,
  type VendorAnswer,
} from './vendor.ts';

const TAIL = { modelVersion: 'gemini-2.5-flash', responseId: 'rFixture1234567' };

function fragment(parts: readonly object[], usage: object, finishReason?: string): object {
  return {
    candidates: [{ content: { parts, role: 'model' }, ...(finishReason && { finishReason }), index: 0 }],
    usageMetadata: usage,
    ...TAIL,
  };
}

/** Google's events end with carriage returns too. */
function event(value: object): string {
  return `data: ${JSON.stringify(value)}\r\n\r\n`;
}

function usageOf({ thinking }: VendorAnswer): object {
  const thoughts = thinking === '' ? 0 : REASONING;
  return {
    promptTokenCount: INPUT,
    cachedContentTokenCount: CACHED,
    candidatesTokenCount: OUTPUT - thoughts,
    ...(thoughts > 0 && { thoughtsTokenCount: thoughts }),
    totalTokenCount: INPUT + OUTPUT,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: INPUT }],
  };
}

/** Early fragments may tell nothing but how the call is served. */
const EARLY = { trafficType: 'ON_DEMAND' };

function thoughtParts(thinking: string): object[] {
  return thinking === '' ? [] : [{ text: thinking, thought: true }];
}

/** Of calls side by side only the first one is signed. */
function callParts({ calls }: VendorAnswer): object[] {
  return calls.map(({ name, arguments: args }, at) => ({
    functionCall: { name, args },
    ...(at === 0 && { thoughtSignature: 'Q2lRQmZpeA==' }),
  }));
}

function finishOf({ cut }: VendorAnswer): string {
  return cut ? 'MAX_TOKENS' : 'STOP';
}

const STATUSES: Readonly<Record<FailureStatus, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
};

/** Google's Gemini API. */
export const geminiVendor: Vendor = {
  protocol: 'gemini',
  basePath: '/v1beta',
  model: 'gemini-2.5-flash',
  contentType: 'text/event-stream',
  streams: ({ path }) => path.includes(':streamGenerateContent') && path.includes('alt=sse'),
  stream(answer) {
    const pieces = [...thoughtParts(answer.thinking), ...answer.text.map((text) => ({ text })), ...callParts(answer)];
    return {
      begun: pieces.map((part) => event(fragment([part], EARLY))),
      ended: [event(fragment([{ text: '' }], usageOf(answer), finishOf(answer)))],
    };
  },
  whole(answer) {
    const text = answer.text.join('');
    const parts = [...thoughtParts(answer.thinking), ...(text === '' ? [] : [{ text }]), ...callParts(answer)];
    return fragment(parts, usageOf(answer), finishOf(answer));
  },
  failure(status) {
    return {
      status,
      headers: status === 429 ? { 'retry-after': String(RETRY_AFTER) } : {},
      body: { error: { code: status, message: SENTENCES[status], status: STATUSES[status] } },
    };
  },
  streamFailure: event({ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }),
  usage: dividedUsage,
};
