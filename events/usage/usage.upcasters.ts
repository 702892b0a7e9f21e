import { z } from 'zod';
import { currency, defineEvent, identifier, mode, periodLabel, picosText, sha256Hex } from '../envelope.ts';
import type { Upcaster } from '../upcaster.ts';

/** Version 1 knew two numbers, with cached tokens inside the input and reasoning inside the output. */
const usageRecordedV1 = defineEvent('UsageRecorded', 1, {
  requestId: z.uuid(),
  attempt: z.int().min(0),
  keyId: identifier,
  model: z.string().min(1).max(200),
  channel: z.string().max(64).nullable(),
  mode,
  priceVersion: sha256Hex,
  currency,
  quotaPeriod: periodLabel,
  inputTokens: z.int().min(0),
  cachedInputTokens: z.int().min(0),
  outputTokens: z.int().min(0),
  estimated: z.boolean(),
  amountPicos: picosText,
});

/** The two numbers become the disjoint vector; the amount that was rated then stays as it was. */
export const usageRecordedV1toV2: Upcaster = {
  type: 'UsageRecorded',
  from: usageRecordedV1,
  upcast(stored) {
    const { inputTokens, cachedInputTokens, outputTokens, estimated, ...rest } = usageRecordedV1.parse(stored);
    return {
      ...rest,
      version: 2,
      usage: {
        uncachedInput: Math.max(0, inputTokens - cachedInputTokens),
        cacheRead: Math.min(cachedInputTokens, inputTokens),
        outputText: outputTokens,
      },
      source: estimated ? 'estimated' : 'reported',
      policy: null,
    };
  },
};
