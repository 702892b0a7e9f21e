import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import type { PriceLookup } from '../../../services/relay/ports.ts';
import { PRICE_VERSION } from '../../support/events.ts';
import type { Peer } from './peers.ts';
import { done, MODEL, usageOf, type HarnessSetting, type RealtimeHarness } from './realtimeHarness.ts';
import { cleanUp, over, relayTo, session, upstreamOf } from './stage.ts';

cleanUp();

const WHISPER = 'whisper-1';
const BY_TOKEN = 'gpt-4o-transcribe';
/** Micro-dollars per million units. Whisper: USD 0.006 a minute. */
const CARDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  [MODEL]: { uncachedInput: 4_000_000, audioInput: 32_000_000, outputText: 16_000_000, audioOutput: 64_000_000 },
  [WHISPER]: { uncachedInput: 0, outputText: 0, seconds: 100_000_000 },
  [BY_TOKEN]: { uncachedInput: 2_500_000, audioInput: 6_000_000, outputText: 10_000_000 },
};
const PRICES: PriceLookup = {
  find(model) {
    const meters = CARDS[model];
    if (!meters) return null;
    return { model, currency: 'USD', priceVersion: PRICE_VERSION, price: { meters }, maxOutputTokens: 4_096 };
  },
  models: () => [],
};

const PARAM = 'session.audio.input.transcription.model';
const COMPLETED = 'conversation.item.input_audio_transcription.completed';
const FAILED = 'conversation.item.input_audio_transcription.failed';
const SECOND = Buffer.alloc(48_000).toString('base64');

function asking(transcription: unknown, eventId?: string) {
  return {
    type: 'session.update',
    ...(eventId !== undefined && { event_id: eventId }),
    session: { type: 'realtime', audio: { input: { transcription } } },
  };
}

function stating(transcription: unknown, type = 'session.updated') {
  return { type, session: { id: 's', type: 'realtime', audio: { input: { transcription } } } };
}

function committed(id: string) {
  return { type: 'input_audio_buffer.committed', item_id: id };
}

function completed(id: string, usage?: unknown) {
  return { type: COMPLETED, item_id: id, content_index: 0, transcript: 'two words', usage };
}

/** A session that transcribes what its user says. */
async function transcribing(
  model: string,
  setting: Partial<HarnessSetting> = {},
): Promise<{ relay: RealtimeHarness; client: Peer; upstream: Peer }> {
  const open = await session({ ...setting, parts: { prices: PRICES, ...setting.parts } });
  open.client.send(asking({ model }));
  await open.upstream.until('session.update');
  open.upstream.send(stating({ model }));
  await open.client.until('session.updated');
  return open;
}

async function left({ relay, client }: { relay: RealtimeHarness; client: Peer }) {
  client.socket.close();
  await over(relay);
  expect(relay.holds.open.size).toBe(0);
  return relay.settled();
}

describe('What a user says and its upstream transcribes', () => {
  it('is a call of its own with the model that transcribes, billed by the second', async () => {
    const open = await transcribing(WHISPER);
    open.upstream.send(committed('i'), completed('i', { type: 'duration', seconds: 3.2 }));
    await open.client.until(COMPLETED);
    expect(await left(open)).toMatchObject([
      { model: MODEL, source: 'none' },
      {
        ...{ model: WHISPER, usage: { seconds: 4 }, source: 'reported', amountPicos: '400000000' },
        ...{ channel: 'channel-1', ended: ['RequestCompleted', 'transcribed'] },
      },
      { model: WHISPER, usage: {}, amountPicos: '0' },
    ]);
    expect(open.relay.anomalies).toEqual([]);
  });

  it('is billed by its tokens at the prices of that model, and the response that runs without them', async () => {
    const open = await transcribing(BY_TOKEN);
    const details = { input_token_details: { audio_tokens: 26, text_tokens: 4 } };
    open.upstream.send(
      committed('i'),
      { type: 'response.created', response: { id: 'r' } },
      completed('i', { type: 'tokens', ...usageOf(30, 4, details) }),
      done('r', { usage: usageOf(10, 2) }),
    );
    await open.client.until('response.done');
    expect((await left(open)).filter(({ source }) => source !== 'none')).toMatchObject([
      { model: MODEL, usage: { uncachedInput: 10, outputText: 2 }, amountPicos: '72000000' },
      {
        ...{ model: BY_TOKEN, usage: { uncachedInput: 4, audioInput: 26, outputText: 4 }, source: 'reported' },
        amountPicos: String(4 * 2_500_000 + 26 * 6_000_000 + 4 * 10_000_000),
      },
    ]);
  });

  it('is held for before the wish goes up, and again before the next one', async () => {
    const { relay, client, upstream } = await session({ parts: { prices: PRICES } });
    const models = () =>
      relay.holds.taken.map(({ accepted }) => (JSON.parse(accepted.data) as { model: string }).model);
    client.send(asking({ model: WHISPER }));
    await upstream.until('session.update');
    expect(models()).toEqual([MODEL, WHISPER]);
    upstream.send(stating({ model: WHISPER }), committed('a'), completed('a', { type: 'duration', seconds: 1 }));
    upstream.send({ type: 'marker' });
    await client.until('marker');
    expect(models()).toEqual([MODEL, WHISPER, WHISPER]);
    expect(relay.holds.open.size).toBe(2);
  });

  it('has a hold for each of two that overlap', async () => {
    const open = await transcribing(WHISPER);
    open.upstream.send(committed('a'), committed('b'), { type: 'marker' });
    await open.client.until('marker');
    expect(open.relay.holds.open.size).toBe(3);
    open.upstream.send(
      completed('b', { type: 'duration', seconds: 2 }),
      completed('a', { type: 'duration', seconds: 1 }),
    );
    await open.client.until(COMPLETED);
    await open.client.until(COMPLETED);
    const billed = (await left(open)).filter(({ source }) => source === 'reported');
    expect(billed.map(({ usage }) => usage)).toEqual([{ seconds: 1 }, { seconds: 2 }]);
  });

  it('is billed once, however often it is called complete', async () => {
    const open = await transcribing(WHISPER);
    const end = completed('a', { type: 'duration', seconds: 2 });
    open.upstream.send(committed('a'), end, end);
    await open.client.until(COMPLETED);
    await open.client.until(COMPLETED);
    expect((await left(open)).filter(({ source }) => source === 'reported')).toHaveLength(1);
  });

  it('is billed by the words of the beta interface too', async () => {
    const open = await session({ parts: { prices: PRICES } });
    open.client.send({ type: 'session.update', session: { input_audio_transcription: { model: WHISPER } } });
    await open.upstream.until('session.update');
    const stated = { input_audio_transcription: { model: WHISPER } };
    open.upstream.send({ type: 'session.updated', session: stated }, completed('i', { type: 'duration', seconds: 1 }));
    await open.client.until(COMPLETED);
    expect((await left(open))[1]).toMatchObject({ model: WHISPER, usage: { seconds: 1 } });
  });

  it('costs nothing when it fails', async () => {
    const open = await transcribing(WHISPER);
    open.upstream.send(committed('i'), { type: FAILED, item_id: 'i', error: { message: 'm' } });
    await open.client.until(FAILED);
    expect((await left(open))[1]).toMatchObject({ usage: {}, source: 'none', ended: ['RequestFailed', 'bad_gateway'] });
  });

  it('is estimated by the length of what was committed when no usage is stated, which is noted', async () => {
    const open = await transcribing(WHISPER);
    open.client.send({ type: 'input_audio_buffer.append', audio: SECOND });
    open.client.send({ type: 'input_audio_buffer.append', audio: SECOND });
    await open.upstream.until('input_audio_buffer.append');
    await open.upstream.until('input_audio_buffer.append');
    open.upstream.send(committed('i'), completed('i'));
    await open.client.until(COMPLETED);
    expect((await left(open))[1]).toMatchObject({ usage: { seconds: 2 }, source: 'estimated' });
    expect(open.relay.anomalies).toEqual(['transcription_without_usage']);
  });

  it('is estimated by what was heard as speech where the upstream says so', async () => {
    const open = await transcribing(BY_TOKEN);
    for (let second = 0; second < 5; second += 1) {
      open.client.send({ type: 'input_audio_buffer.append', audio: SECOND });
      await open.upstream.until('input_audio_buffer.append');
    }
    open.upstream.send(
      { type: 'input_audio_buffer.speech_started', audio_start_ms: 3_000, item_id: 'i' },
      { type: 'input_audio_buffer.speech_stopped', audio_end_ms: 4_500, item_id: 'i' },
      committed('i'),
      completed('i'),
    );
    await open.client.until(COMPLETED);
    expect((await left(open))[1]).toMatchObject({ usage: { audioInput: 15, outputText: 2 }, source: 'estimated' });
  });

  it('is not free when its upstream counts what its price does not', async () => {
    const open = await transcribing(BY_TOKEN);
    open.upstream.send(committed('i'), completed('i', { type: 'duration', seconds: 3 }));
    await open.client.until(COMPLETED);
    expect((await left(open))[1]).toMatchObject({ usage: { audioInput: 30, outputText: 2 }, source: 'mixed' });
  });

  it('never costs more than its hold', async () => {
    const open = await transcribing(WHISPER, { parts: { prices: PRICES, maxInputTokens: 100 } });
    open.upstream.send(committed('i'), completed('i', { type: 'duration', seconds: 3_600 }));
    await open.client.until(COMPLETED);
    expect((await left(open))[1]).toMatchObject({ usage: { seconds: 10 }, amountPicos: '1000000000' });
    expect(open.relay.anomalies).toEqual(['usage_above_hold']);
  });
});

describe('The wish for a transcription', () => {
  it.each([
    ['a model without a price', 'no-price', 'model_not_found'],
    ['no model', undefined, 'invalid_request'],
    ['a model that is no name', 7, 'invalid_request'],
  ])('with %s is refused and does not go up', async (_name, model, code) => {
    const { relay, client, upstream } = await session({ parts: { prices: PRICES } });
    client.send(asking({ model, language: 'en' }, 'mine'), { type: 'input_audio_buffer.clear' });
    expect((await client.next())['error']).toMatchObject({ code, param: PARAM, event_id: 'mine' });
    expect(await upstream.next()).toEqual({ type: 'input_audio_buffer.clear' });
    expect(relay.holds.taken).toHaveLength(1);
  });

  it('with a model that the key may not use is refused', async () => {
    const { relay, client } = await session({ parts: { prices: PRICES } });
    relay.setKey({ models: new Set([MODEL]) });
    client.send(asking({ model: WHISPER }));
    expect((await client.next())['error']).toMatchObject({ code: 'model_not_allowed', param: PARAM });
  });

  it('with a model that no channel serves is refused', async () => {
    const upstream = await upstreamOf();
    const relay = await relayTo(upstream, {
      channels: [{ baseUrl: upstream.baseUrl, models: { [MODEL]: MODEL, [BY_TOKEN]: BY_TOKEN } }],
      parts: { prices: PRICES },
    });
    const client = await relay.client();
    const opened = await upstream.session();
    client.send(asking({ model: WHISPER }), asking({ model: BY_TOKEN }));
    expect((await client.next())['error']).toMatchObject({ code: 'no_channel' });
    expect(await opened.next()).toEqual(asking({ model: BY_TOKEN }));
  });

  it('that names two models is refused', async () => {
    const { client } = await session({ parts: { prices: PRICES } });
    const audio = { input: { transcription: { model: WHISPER } } };
    client.send({ type: 'session.update', session: { audio, input_audio_transcription: { model: BY_TOKEN } } });
    expect((await client.next())['error']).toMatchObject({ code: 'invalid_request', param: PARAM });
  });

  it('is refused by the quota as a response is, and the session stops', async () => {
    const { relay, client, upstream } = await session({ parts: { prices: PRICES } });
    relay.holds.quota = 1;
    client.send(asking({ model: WHISPER }));
    expect((await client.next())['error']).toMatchObject({ code: 'insufficient_quota' });
    expect((await client.closed).code).toBe(1008);
    expect(upstream.types).toEqual([]);
  });

  it('holds for the model that is in force, and no longer for the one before', async () => {
    const open = await transcribing(WHISPER);
    open.client.send(asking({ model: BY_TOKEN }));
    await open.upstream.until('session.update');
    open.upstream.send(committed('a'), stating({ model: BY_TOKEN }), committed('b'));
    open.upstream.send(completed('a', { type: 'duration', seconds: 1 }), completed('b', usageOf(5, 5)));
    await open.client.until(COMPLETED);
    await open.client.until(COMPLETED);
    open.client.send(asking(null));
    await open.upstream.until('session.update');
    open.upstream.send(stating(null), { type: 'marker' });
    await open.client.until('marker');
    expect(open.relay.holds.open.size).toBe(1);
    const billed = (await left(open)).filter(({ source }) => source === 'reported');
    expect(billed.map(({ model }) => model)).toEqual([WHISPER, BY_TOKEN]);
  });

  it('replaces a hold that nobody used before it expires', async () => {
    const open = await transcribing(WHISPER, { parts: { times: { renewMs: 20 } } });
    while (open.relay.holds.taken.length < 6) await new Promise((resolve) => setImmediate(resolve));
    const settled = await left(open);
    expect(settled.filter(({ model }) => model === WHISPER).length).toBeGreaterThan(1);
  });
});

describe('A transcription that its upstream has on by itself', () => {
  it('is billed where it has a price', async () => {
    const open = await session({ parts: { prices: PRICES } });
    open.upstream.send(stating({ model: WHISPER }, 'session.created'), committed('i'));
    open.upstream.send(completed('i', { type: 'duration', seconds: 1 }));
    await open.client.until(COMPLETED);
    expect((await left(open))[1]).toMatchObject({ model: WHISPER, usage: { seconds: 1 } });
  });

  it.each([{ model: 'no-price' }, {}])('is turned off where it has none, once: %j', async (stated) => {
    const open = await session({ parts: { prices: PRICES } });
    open.upstream.send(stating(stated, 'session.created'), stating(stated));
    await open.client.until('session.updated');
    open.upstream.send(completed('i', { type: 'duration', seconds: 1 }));
    await open.client.until(COMPLETED);
    await left(open);
    expect(open.upstream.frames).toEqual([JSON.stringify(asking(null))]);
    expect(open.relay.anomalies).toEqual(['transcription_without_hold']);
  });
});

describe('A session with a transcription under way', () => {
  it('waits for its usage when the client leaves', async () => {
    const { relay, client, upstream } = await transcribing(WHISPER);
    upstream.send(committed('i'), { type: 'marker' });
    await client.until('marker');
    client.socket.close();
    await client.closed;
    upstream.send(completed('i', { type: 'duration', seconds: 7 }));
    await over(relay);
    expect((await relay.settled())[1]).toMatchObject({
      ...{ model: WHISPER, usage: { seconds: 7 }, source: 'reported' },
      ended: ['RequestAborted', 'client_gone'],
    });
  });

  it('bills an estimate when the client leaves and nothing is stated in time', async () => {
    const { relay, client, upstream } = await transcribing(WHISPER, { parts: { times: { cancelMs: 20 } } });
    client.send({ type: 'input_audio_buffer.append', audio: SECOND });
    await upstream.until('input_audio_buffer.append');
    upstream.send(committed('i'), { type: 'marker' });
    await client.until('marker');
    client.socket.close();
    await over(relay);
    expect((await relay.settled())[1]).toMatchObject({ usage: { seconds: 1 }, source: 'estimated' });
  });

  it('costs nothing when the upstream leaves', async () => {
    const { relay, client, upstream } = await transcribing(WHISPER);
    client.send({ type: 'input_audio_buffer.append', audio: SECOND });
    await upstream.until('input_audio_buffer.append');
    upstream.send(committed('i'), { type: 'marker' });
    await client.until('marker');
    upstream.socket.terminate();
    await over(relay);
    expect((await relay.settled())[1]).toMatchObject({ source: 'none', ended: ['RequestFailed', 'bad_gateway'] });
  });

  it('gives one up whose end never comes', async () => {
    const { relay, client, upstream } = await transcribing(WHISPER, { parts: { times: { renewMs: 20 } } });
    upstream.send(committed('i'), { type: 'marker' });
    await client.until('marker');
    const ended = async () => (await relay.settled().catch(() => [])).map(({ ended }) => ended[0]);
    while (relay.holds.taken.length < 8) await new Promise((resolve) => setImmediate(resolve));
    client.socket.close();
    await over(relay);
    expect(await ended()).toContain('RequestFailed');
  });

  it('goes on when a second one must wait for the slot of the first', async () => {
    const open = await transcribing(WHISPER);
    open.relay.holds.concurrency = 2;
    open.upstream.send(committed('a'), committed('b'));
    open.upstream.send(
      completed('a', { type: 'duration', seconds: 1 }),
      completed('b', { type: 'duration', seconds: 2 }),
    );
    await open.client.until(COMPLETED);
    await open.client.until(COMPLETED);
    const billed = (await left(open)).filter(({ source }) => source === 'reported');
    expect(billed.map(({ usage }) => usage)).toEqual([{ seconds: 1 }, { seconds: 2 }]);
  });

  it('bills one that has waited for its slot although transcription is off meanwhile', async () => {
    const open = await transcribing(WHISPER);
    open.relay.holds.concurrency = 2;
    open.upstream.send(committed('a'), committed('b'), { type: 'marker' });
    await open.client.until('marker');
    open.client.send(asking(null));
    await open.upstream.until('session.update');
    open.upstream.send(stating(null));
    for (const id of ['a', 'b']) open.upstream.send(completed(id, { type: 'duration', seconds: 1 }));
    await open.client.until(COMPLETED);
    await open.client.until(COMPLETED);
    expect((await left(open)).filter(({ source }) => source === 'reported')).toHaveLength(2);
    expect(open.relay.anomalies).toEqual([]);
  });

  it('notes those that never got a hold', async () => {
    const open = await transcribing(WHISPER, { parts: { times: { cancelMs: 20 } } });
    open.relay.holds.concurrency = 2;
    open.upstream.send(committed('a'), committed('b'), { type: 'marker' });
    await open.client.until('marker');
    await left(open);
    expect(open.relay.anomalies).toEqual(['transcription_without_hold']);
  });

  it('ends when one has no hold, which is noted, and does not show it', async () => {
    const { relay, client, upstream } = await transcribing(WHISPER);
    relay.holds.before = () => Promise.reject(new StoreUnavailable('as told by the test'));
    upstream.send(committed('a'), committed('b'), completed('b', { type: 'duration', seconds: 2 }));
    expect((await client.until('error'))['error']).toMatchObject({ code: 'service_unavailable' });
    upstream.send(completed('a', { type: 'duration', seconds: 1 }));
    await over(relay);
    expect(client.types).not.toContain(COMPLETED);
    expect(relay.anomalies).toContain('transcription_without_hold');
    expect((await relay.settled()).map(({ usage }) => usage)).toEqual([{}, { seconds: 1 }]);
  });
});
