import { describe, expect, it, vi } from 'vitest';
import { connect, Peer, type Refusal } from './peers.ts';
import { MODEL, type RealtimeHarness } from './realtimeHarness.ts';
import { cleanUp, over, relayTo, upstreamOf } from './stage.ts';

cleanUp();

type Attempt = Parameters<typeof connect>[1];

/** How the relay refuses this handshake; throws when it does not. */
async function refusal(relay: RealtimeHarness, query: string, options: Attempt = {}): Promise<Refusal> {
  const met = await connect(relay.url + query, options);
  if (met instanceof Peer) throw new Error('it was not refused');
  return met;
}

function codeOf({ body }: Refusal): unknown {
  return (JSON.parse(body) as { error: { code: unknown } }).error.code;
}

async function relayOf(parts: Parameters<typeof relayTo>[1] = {}): Promise<RealtimeHarness> {
  return relayTo(await upstreamOf(), parts);
}

function bearer({ secret }: RealtimeHarness) {
  return { authorization: `Bearer ${secret}` };
}

const QUERY = `?model=${MODEL}`;

describe('A handshake', () => {
  it.each(['authorization', 'x-api-key', 'api-key'])('is authenticated by the header %s', async (header) => {
    const relay = await relayOf();
    expect(await connect(relay.url + QUERY, { headers: { [header]: relay.secret } })).toBeInstanceOf(Peer);
  });

  it('is authenticated by a subprotocol, and only "realtime" is selected', async () => {
    const relay = await relayOf();
    const protocols = [`openai-insecure-api-key.${relay.secret}`, 'realtime', 'openai-beta.realtime-v1'];
    const client = await connect(relay.url + QUERY, { protocols });
    expect(client instanceof Peer && client.socket.protocol).toBe('realtime');
  });

  it('selects no subprotocol when none was offered', async () => {
    const relay = await relayOf();
    expect((await relay.client()).socket.protocol).toBe('');
  });

  it('is refused when it offers subprotocols without "realtime", and its key is not echoed', async () => {
    const relay = await relayOf();
    const met = await refusal(relay, QUERY, { protocols: [`openai-insecure-api-key.${relay.secret}`] });
    expect(met.status).toBe(400);
    expect(met.body + JSON.stringify(met.headers)).not.toContain(relay.secret);
  });

  it('never takes a key from the address', async () => {
    const relay = await relayOf();
    const met = await refusal(relay, `${QUERY}&key=${relay.secret}&api_key=${relay.secret}`);
    expect([met.status, codeOf(met)]).toEqual([401, 'authentication_failed']);
    expect(met.body + JSON.stringify(met.headers)).not.toContain(relay.secret);
  });

  it('is refused in plain HTTP, in the shape of OpenAI’s errors', async () => {
    const relay = await relayOf();
    const met = await refusal(relay, QUERY, { headers: { authorization: 'Bearer nonsense' } });
    expect(met.status).toBe(401);
    expect(met.headers['x-should-retry']).toBe('false');
    expect(JSON.parse(met.body)).toEqual({
      error: {
        message: 'The API key is not valid.',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_api_key',
        request_id: met.headers['x-request-id'],
      },
    });
  });

  it('is refused with 403 for a key that is disabled or may not use the model', async () => {
    const relay = await relayOf();
    relay.setKey({ models: new Set(['other']) });
    const met = await refusal(relay, QUERY, { headers: bearer(relay) });
    expect([met.status, codeOf(met)]).toEqual([403, 'model_not_allowed']);
    relay.setKey({ status: 'disabled' });
    expect((await refusal(relay, QUERY, { headers: bearer(relay) })).status).toBe(403);
  });

  it('is refused with 404 for a model without a price', async () => {
    const relay = await relayOf();
    expect((await refusal(relay, '?model=unknown', { headers: bearer(relay) })).status).toBe(404);
  });

  it('is refused with 429 when quota, concurrency or rate limit do not allow it', async () => {
    const relay = await relayOf();
    relay.holds.quota = 0;
    const spent = await refusal(relay, QUERY, { headers: bearer(relay) });
    expect([spent.status, codeOf(spent)]).toEqual([429, 'insufficient_quota']);
    relay.holds.concurrency = 0;
    const many = await refusal(relay, QUERY, { headers: bearer(relay) });
    expect([many.status, codeOf(many)]).toEqual([429, 'concurrency_exceeded']);
    relay.setKey({ tokensPerMinute: 10 });
    const fast = await refusal(relay, QUERY, { headers: bearer(relay) });
    expect([fast.status, codeOf(fast)]).toEqual([429, 'rate_limit_exceeded']);
    expect(Number(fast.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('is refused with 503 while the process stops', async () => {
    const relay = await relayOf();
    await relay.realtime.drain(0);
    expect((await refusal(relay, QUERY, { headers: bearer(relay) })).status).toBe(503);
  });

  it('is refused with 503 beyond the most sessions of a process', async () => {
    const relay = await relayOf({ parts: { maxSessions: 1 } });
    const first = await relay.client();
    expect((await refusal(relay, QUERY, { headers: bearer(relay) })).status).toBe(503);
    first.socket.close();
    await over(relay);
    expect(await relay.client()).toBeInstanceOf(Peer);
  });

  it('without a model takes a place of its key until its session is admitted or over', async () => {
    const relay = await relayOf({ parts: { maxSessions: 1_000 } });
    const sessions: Peer[] = [];
    for (let place = 0; place < 256; place += 1) sessions.push(await relay.client(''));
    const refused = async () => {
      const met = await connect(relay.url, { headers: bearer(relay) });
      if (!(met instanceof Peer)) return [met.status, codeOf(met), met.headers['retry-after']];
      sessions.push(met);
      return null;
    };
    expect(await refused()).toEqual([429, 'concurrency_exceeded', '1']);
    sessions[0]?.socket.close();
    await vi.waitFor(async () => expect(await refused()).toBeNull());
    expect(await refused()).toEqual([429, 'concurrency_exceeded', '1']);
    sessions[1]?.send({ type: 'session.update', session: { model: MODEL } });
    await vi.waitFor(async () => expect(await refused()).toBeNull());
    expect(await refused()).toEqual([429, 'concurrency_exceeded', '1']);
  });

  it.each([
    ['?model=a&model=b', 'model'],
    ['?model=', 'model'],
    ['?intent=transcription', 'intent'],
    ['?call_id=rtc_1', 'call_id'],
    [`${QUERY}&compat=other`, 'compat'],
  ])('is refused with 400 for %s', async (query, param) => {
    const relay = await relayOf();
    const met = await refusal(relay, query, { headers: bearer(relay) });
    expect(met.status).toBe(400);
    expect(JSON.parse(met.body)).toMatchObject({ error: { param } });
    expect(relay.holds.taken).toEqual([]);
  });

  it('of a page is refused unless its origin is allowed', async () => {
    const origin = 'https://app.example';
    const relay = await relayOf({ parts: { allowedOrigins: [origin] } });
    const headers = bearer(relay);
    expect((await refusal(relay, QUERY, { headers: { ...headers, origin: 'https://evil.example' } })).status).toBe(403);
    expect(await connect(relay.url + QUERY, { headers: { ...headers, origin } })).toBeInstanceOf(Peer);
    const open = await relayOf({ parts: { allowedOrigins: ['*'] } });
    const anyone = { ...bearer(open), origin: 'https://evil.example' };
    expect(await connect(open.url + QUERY, { headers: anyone })).toBeInstanceOf(Peer);
  });

  it('of a page is refused where no origin is allowed', async () => {
    const relay = await relayOf();
    const headers = { ...bearer(relay), origin: 'https://app.example' };
    expect((await refusal(relay, QUERY, { headers })).status).toBe(403);
    expect(relay.holds.taken).toEqual([]);
  });

  it('of a model that only channels of other protocols serve is refused, and its hold settled', async () => {
    const relay = await relayOf({ channel: { protocol: 'claude' } });
    const met = await refusal(relay, QUERY, { headers: bearer(relay) });
    expect([met.status, codeOf(met)]).toEqual([503, 'no_channel']);
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ source: 'none', ended: ['RequestFailed', 'no_channel'] }]);
  });

  it('on any other path is answered as if it had not asked to upgrade', async () => {
    const relay = await relayOf();
    const met = await connect(`${relay.url}/other`, { headers: bearer(relay) });
    expect(met instanceof Peer ? null : met.status).toBe(404);
  });
});
