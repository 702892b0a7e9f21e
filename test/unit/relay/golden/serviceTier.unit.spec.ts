import { describe, expect, it } from 'vitest';
import { DEFAULT_PRICE_BOOK, loadPriceBookFile } from '../../../../infra/pricebook/loadPriceBookFile.ts';
import { parsePriceBook } from '../../../../services/billing/pricebook/priceBookFile.ts';
import type { Price } from '../../../../services/billing/rating/rate.ts';
import type { RelayCall } from '../../../../services/relay/call.ts';
import { hubChatCall } from '../../../../services/relay/dialects/hub/call.ts';
import { HUB_FACE } from '../../../../services/relay/dialects/hub/face.ts';
import { chatCall, chatStreamCall } from '../../../../services/relay/dialects/openai/chatCall.ts';
import { OPENAI_FACE } from '../../../../services/relay/dialects/openai/face.ts';
import { protocolsWith } from '../../../../services/relay/dialects/protocols.ts';
import { sse } from '../chatFixtures.ts';
import { goldenCall, type Answered, type Outcome } from './goldenCall.ts';

const SPOKEN = protocolsWith({ fetch: () => Promise.reject(new Error('nothing is to be fetched')) });
const MODEL = 'gpt-5';
const GPT_5 = await bookEntry(MODEL);
/** The same card without tiers. */
const ONE_PRICE: Price = { meters: { uncachedInput: 1_250_000, cacheRead: 125_000, outputText: 10_000_000 } };

const USAGE = { prompt_tokens: 1_000_000, completion_tokens: 10_000, total_tokens: 1_010_000 };
/** 1 000 000 input at 1.25 and 10 000 output at 10.00 USD per million, in picos. */
const PLAIN = 1_350_000_000_000n;
const FLEX = PLAIN / 2n;
const PRIORITY = PLAIN * 2n;

const head = (object: string, tier: unknown) => ({
  ...{ id: 'chatcmpl-1', object, created: 1_763_630_000, model: MODEL },
  ...(tier !== undefined && { service_tier: tier }),
});
const chunk = (tier: unknown, delta: object, finish: string | null = null) => ({
  ...head('chat.completion.chunk', tier),
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const usageChunk = (tier: unknown) => ({ ...head('chat.completion.chunk', tier), choices: [], usage: USAGE });
const words = (tier: unknown, count: number) =>
  Array.from({ length: count }, (_, at) => chunk(tier, { content: ` word${String(at)}` }));

function streamed(...events: readonly unknown[]): Answered {
  return { contentType: 'text/event-stream', pieces: [sse(...events, '[DONE]')] };
}

/** As OpenAI streams: every chunk states the tier. */
const streamAt = (tier: unknown) =>
  streamed(
    chunk(tier, { role: 'assistant', content: '' }),
    ...words(tier, 8),
    chunk(tier, {}, 'stop'),
    usageChunk(tier),
  );

function wholeAt(tier: unknown): Answered {
  const choices = [{ index: 0, message: { role: 'assistant', content: 'one two' }, finish_reason: 'stop' }];
  const answer = { ...head('chat.completion', tier), choices, usage: USAGE };
  return { contentType: 'application/json', pieces: [JSON.stringify(answer)] };
}

async function bookEntry(model: string): Promise<{ readonly price: Price; readonly maxOutputTokens: number }> {
  const { models } = parsePriceBook(await loadPriceBookFile(DEFAULT_PRICE_BOOK));
  const entry = models.find((one) => one.model === model);
  if (!entry) throw new Error(`the book has no ${model}`);
  return { price: entry.price, maxOutputTokens: entry.maxOutputTokens };
}

interface Asked {
  readonly stream?: boolean;
  /** The tier that the client asks for; none unless stated. */
  readonly tier?: unknown;
  readonly price?: Price;
  readonly make?: (raw: Buffer, maxDepth: number, spoken: typeof SPOKEN) => RelayCall;
}

function bodyOf({ stream = false, tier }: Asked): string {
  // A prompt of as many bytes as tokens are reported: a hold covers no more.
  const messages = [{ role: 'user', content: 'x'.repeat(1_000_000) }];
  return JSON.stringify({ model: MODEL, messages, stream, ...(tier !== undefined && { service_tier: tier }) });
}

function ask(asked: Asked, answered: Answered): Promise<Outcome> {
  const { price = GPT_5.price, make = chatCall } = asked;
  const call = make(Buffer.from(bodyOf(asked)), 64, SPOKEN);
  const face = make === hubChatCall ? HUB_FACE : OPENAI_FACE;
  return goldenCall({ call, face, protocol: 'openai', priced: { ...GPT_5, price } }, answered);
}

const BILLS: readonly [unknown, string, bigint][] = [
  ['priority', 'gpt-5#priority', PRIORITY],
  ['flex', 'gpt-5#flex', FLEX],
  ['Priority', 'gpt-5#priority', PRIORITY],
  ['default', 'gpt-5', PLAIN],
  ['auto', 'gpt-5', PLAIN],
  ['standard', 'gpt-5', PLAIN],
  // Nothing in the book is priced so.
  ['scale', 'gpt-5', PLAIN],
  ['', 'gpt-5', PLAIN],
  ['toString', 'gpt-5', PLAIN],
  [null, 'gpt-5', PLAIN],
  [7, 'gpt-5', PLAIN],
  [{ tier: 'priority' }, 'gpt-5', PLAIN],
  [undefined, 'gpt-5', PLAIN],
];

describe('A chat is billed by the service tier that its answer states', () => {
  it.each(BILLS)('%j: as %s', async (tier, model, picos) => {
    const billed = { model, picos, usage: { uncachedInput: 1_000_000, outputText: 10_000 }, clamped: false };
    expect(await ask({}, wholeAt(tier))).toMatchObject(billed);
    expect(await ask({ stream: true }, streamAt(tier))).toMatchObject(billed);
  });

  it.each(BILLS)(
    '%j by an upstream that streams to none, or gives a whole to a stream: as %s',
    async (tier, model, picos) => {
      expect(await ask({ stream: true }, wholeAt(tier))).toMatchObject({ model, picos });
    },
  );

  it('on every route that passes chats through', async () => {
    const billed = { model: 'gpt-5#priority', picos: PRIORITY };
    expect(await ask({ make: chatStreamCall }, streamAt('priority'))).toMatchObject(billed);
    expect(await ask({ make: hubChatCall }, wholeAt('priority'))).toMatchObject(billed);
    expect(await ask({ make: hubChatCall, stream: true }, streamAt('priority'))).toMatchObject(billed);
  });

  it('and not by the one that was asked for, which a provider may not have had', async () => {
    expect(await ask({ tier: 'priority' }, wholeAt('default'))).toMatchObject({ model: 'gpt-5', picos: PLAIN });
    expect(await ask({ tier: 'priority', stream: true }, streamAt('default'))).toMatchObject({ picos: PLAIN });
    expect(await ask({ tier: 'flex' }, wholeAt(undefined))).toMatchObject({ model: 'gpt-5', picos: PLAIN });
    expect(await ask({ tier: 'auto' }, wholeAt('priority'))).toMatchObject({ model: 'gpt-5#priority' });
  });

  it('and shows what it cost', async () => {
    const { body } = await ask({}, wholeAt('priority'));
    expect(JSON.parse(body)).toMatchObject({ service_tier: 'priority', usage: { cost: 2.7, cost_currency: 'USD' } });
  });

  it('at the one price of a model that has no tiers', async () => {
    expect(await ask({ price: ONE_PRICE }, wholeAt('priority'))).toMatchObject({ model: 'gpt-5', picos: PLAIN });
    const blended = { price: { blended: 15_000_000 }, stream: true };
    const picos = 15_150_000_000_000n; // 1 010 000 × 15 000 000
    expect(await ask(blended, streamAt('priority'))).toMatchObject({ model: 'gpt-5', picos });
  });
});

describe('The last service tier that a stream states counts', () => {
  const TIERS = [
    ['on the usage chunk alone', [...words(undefined, 8), chunk(undefined, {}, 'stop'), usageChunk('priority')]],
    ['on the finish chunk alone', [...words(undefined, 8), chunk('priority', {}, 'stop'), usageChunk(undefined)]],
    ['on the first chunk alone', [...words('priority', 1), ...words(undefined, 8), usageChunk(null)]],
    ['on the chunks of text alone', [...words('priority', 8), chunk(undefined, {}, 'stop'), usageChunk(undefined)]],
    ['other than before', [...words('default', 8), chunk('flex', {}, 'stop'), usageChunk('priority')]],
    [
      'on text of a shape that is known, behind another one',
      [
        ...words('priority', 4),
        chunk('flex', {}, null),
        ...words('priority', 4),
        chunk(undefined, {}, 'stop'),
        usageChunk(null),
      ],
    ],
  ] as const;

  it.each(TIERS)('%s', async (_where, events) => {
    const answered = streamed(...events);
    expect(await ask({ stream: true }, answered)).toMatchObject({ model: 'gpt-5#priority', picos: PRIORITY });
    const pieces = answered.pieces.flatMap((piece) => Array.from(Buffer.from(piece), (byte) => Buffer.of(byte)));
    expect(await ask({ stream: true }, { ...answered, pieces })).toMatchObject({ model: 'gpt-5#priority' });
  });

  it('also of a stream that is cut, at the price of what was received', async () => {
    const pieces = [sse(...words('priority', 8))];
    const cut = await ask({ stream: true }, { contentType: 'text/event-stream', pieces, close: 'cut' });
    // One word and 6 of template at 2.50, and 8 words at 20.00.
    expect(cut).toMatchObject({ ending: { type: 'RequestFailed' }, model: 'gpt-5#priority', picos: 177_500_000n });
  });
});

describe('A hold covers the dearest tier that an answer may turn out to be', () => {
  it.each([true, false])('of an answer that uses more than was held, streamed %s', async (stream) => {
    const more = { prompt_tokens: 9_000_000, completion_tokens: 90_000, total_tokens: 9_090_000 };
    const usageLast = { ...chunk('priority', { content: 'one' }, 'stop'), usage: more };
    const choices = [{ index: 0, message: { content: 'one' }, finish_reason: 'stop' }];
    const whole = JSON.stringify({ ...head('chat.completion', 'priority'), choices, usage: more });
    const answered = stream ? streamed(usageLast) : { contentType: 'application/json', pieces: [whole] };
    const { model, picos, heldPicos, heldTokens, clamped } = await ask({ stream }, answered);
    expect({ model, clamped }).toEqual({ model: 'gpt-5#priority', clamped: true });
    expect(picos).toBe(BigInt(heldTokens - 16_384) * 2_500_000n + 16_384n * 20_000_000n);
    expect(picos).toBe(heldPicos);
  });
});

describe('A service tier that a client asks for', () => {
  it.each([true, false])('goes up where the model has a price for it, streamed %s', async (stream) => {
    for (const tier of ['flex', 'priority', 'auto', 'default', 'standard']) {
      const { upstreamBody } = await ask({ tier, stream }, stream ? streamAt(tier) : wholeAt(tier));
      expect(upstreamBody.startsWith(bodyOf({ tier, stream }).slice(0, -1))).toBe(true);
    }
  });

  it.each([true, false])('is left out where it would cost the operator another price, streamed %s', async (stream) => {
    const unpriced: readonly [string, Price][] = [
      ['flex', ONE_PRICE],
      ['priority', ONE_PRICE],
      ['priority', { blended: 15_000_000 }],
      ['scale', GPT_5.price],
      ['PRIORITY', GPT_5.price],
      ['toString', GPT_5.price],
      ['', GPT_5.price],
    ];
    for (const [tier, price] of unpriced) {
      const outcome = await ask({ tier, stream, price }, stream ? streamAt('default') : wholeAt('default'));
      const up = JSON.parse(outcome.upstreamBody) as Record<string, unknown>;
      expect(up).not.toHaveProperty('service_tier');
      expect(up).toMatchObject({ model: MODEL, stream, max_completion_tokens: GPT_5.maxOutputTokens });
      expect(outcome.model).toBe('gpt-5');
    }
  });
});
