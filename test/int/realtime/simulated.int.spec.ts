import { Agent, type ClientRequestArgs } from 'node:http';
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { describe, expect, it } from 'vitest';
import { startSimulatedRealtime } from '../../../infra/upstreams/simulated/realtime.ts';
import { MODEL, type RealtimeHarness } from './realtimeHarness.ts';
import { cleanUp, over, relayTo, stopLater } from './stage.ts';

cleanUp();

async function relayToSimulation(): Promise<RealtimeHarness> {
  const simulated = await startSimulatedRealtime();
  stopLater(() => simulated.close());
  return relayTo(simulated, { mode: 'test' });
}

function message(text: string) {
  const content = [{ type: 'input_text', text }];
  return { type: 'conversation.item.create', item: { type: 'message', role: 'user', content } };
}

/** OpenAI's client insists on wss; its connections lead to a relay without TLS here. */
class PlainAgent extends Agent {
  readonly protocol = 'https:';
  readonly #port: number;

  constructor(port: number) {
    super();
    this.#port = port;
  }

  override createConnection(_options: ClientRequestArgs, opened?: (error: Error | null, stream: Duplex) => void) {
    const socket = connectTcp(this.#port, '127.0.0.1');
    socket.once('connect', () => opened?.(null, socket));
    return undefined;
  }
}

describe('The simulated realtime upstream', () => {
  it('answers with a sentence that repeats the user, and says what it used', async () => {
    const relay = await relayToSimulation();
    const client = await relay.client();
    expect((await client.next())['session']).toMatchObject({ id: 'sess_sim_1', model: MODEL });
    client.send(message('good morning'), { type: 'response.create' });
    const { response } = (await client.until('response.done')) as { response: { usage: { input_tokens: number } } };
    expect(response).toMatchObject({
      status: 'completed',
      output: [{ content: [{ text: 'This is a simulated answer. You said: good morning' }] }],
    });
    client.socket.close();
    await over(relay);
    expect(await relay.settled()).toMatchObject([
      { usage: { uncachedInput: response.usage.input_tokens, outputText: 11 }, source: 'reported' },
      { source: 'none' },
    ]);
  });

  it('can be cancelled in the middle of its answer', async () => {
    const relay = await relayToSimulation();
    const client = await relay.client();
    client.send(message('slow [[sim chunks=100 chunk_delay_ms=1000]]'), { type: 'response.create' });
    await client.until('response.output_text.delta');
    client.send({ type: 'response.cancel' });
    expect((await client.until('response.done'))['response']).toMatchObject({ status: 'cancelled' });
    client.socket.close();
    await over(relay);
    expect((await relay.settled())[0]).toMatchObject({
      usage: { outputText: 1 },
      ended: ['RequestCompleted', 'client_cancelled'],
    });
  });

  it('answers with an error to an event that is none', async () => {
    const relay = await relayToSimulation();
    const client = await relay.client();
    client.send('not JSON');
    expect((await client.until('error'))['error']).toMatchObject({ type: 'invalid_request_error' });
  });

  it('is heard through the relay by OpenAI’s own client', async () => {
    const relay = await relayToSimulation();
    const openai = new OpenAI({ apiKey: relay.secret, baseURL: `http://127.0.0.1:${String(relay.port)}/v1` });
    const realtime = new OpenAIRealtimeWS({ model: MODEL, options: { agent: new PlainAgent(relay.port) } }, openai);
    const errors: unknown[] = [];
    realtime.on('error', (error) => errors.push(error));
    const text = await new Promise<string>((resolve, reject) => {
      let said = '';
      realtime.on('session.created', () => {
        realtime.send({ type: 'session.update', session: { type: 'realtime', output_modalities: ['text'] } });
        realtime.send({
          type: 'conversation.item.create',
          item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
        });
        realtime.send({ type: 'response.create' });
      });
      realtime.on('response.output_text.delta', ({ delta }) => (said += delta));
      realtime.on('response.done', () => resolve(said));
      realtime.socket.on('close', () => reject(new Error('the session closed')));
    });
    realtime.close();
    expect(text).toBe('This is a simulated answer. You said: hi');
    expect(errors).toEqual([]);
    await over(relay);
    expect((await relay.settled())[0]?.ended).toEqual(['RequestCompleted', 'completed']);
  });
});
