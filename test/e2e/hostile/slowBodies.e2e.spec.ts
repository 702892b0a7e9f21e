import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Developer } from '../../support/developer.ts';
import { answersOf, expectOpenAiError, startHostileService, type HostileService } from './hostileService.ts';

const MOST_IN_FLIGHT = 60;
const CONCURRENCY = 10;
/** Of one key, for calls that are not admitted yet. */
const PLACES = 2 * CONCURRENCY;

let world: HostileService;
/** Another account's. */
let otherKey: string;
/** Connections that a test has left open. */
let open: Socket[] = [];

beforeAll(async () => {
  world = await startHostileService({
    MAX_IN_FLIGHT: String(MOST_IN_FLIGHT),
    DEFAULT_CONCURRENCY: String(CONCURRENCY),
  });
  otherKey = (await (await Developer.register(world.service.baseUrl)).issueKey()).key;
});
afterAll(async () => {
  for (const socket of open) socket.destroy();
  await world.expectUnharmed();
  await world.dispose();
});

function headOf(path: string, bytes: number): string {
  const headers = ['Host: x', `Authorization: Bearer ${world.key}`, 'Content-Type: application/json'];
  return [`POST ${path} HTTP/1.1`, ...headers, `Content-Length: ${String(bytes)}`, '', ''].join('\r\n');
}

/** Sends this on as many connections as may be in flight, and collects what comes back on each. */
async function crowd(bytes: string): Promise<{ readonly received: string }[]> {
  const callers = Array.from({ length: MOST_IN_FLIGHT }, async () => {
    const caller = { received: '' };
    const socket = await world.connection();
    open.push(socket);
    socket.setEncoding('utf8').on('data', (text: string) => (caller.received += text));
    socket.on('error', () => socket.destroy());
    socket.write(bytes);
    return caller;
  });
  return Promise.all(callers);
}

function disperse(): void {
  for (const socket of open) socket.destroy();
  open = [];
}

async function status(key = world.key): Promise<number> {
  const body = JSON.stringify({ model: 'tallystick-sim', messages: [{ role: 'user', content: 'Hi' }] });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return (await fetch(`${world.service.baseUrl}/v1/chat/completions`, { method: 'POST', headers, body })).status;
}

describe('A crowd of one key', () => {
  it.each([
    ['calls', '/v1/chat/completions'],
    ['questions for tokens', '/v1/messages/count_tokens'],
  ])('whose %s never send their bodies has so many places, and everybody else is served', async (_what, path) => {
    const callers = await crowd(headOf(path, 1_000));
    const refused = () => callers.filter(({ received }) => received !== '');
    await vi.waitFor(() => expect(refused()).toHaveLength(MOST_IN_FLIGHT - PLACES), { timeout: 5_000 });
    for (const { received } of refused()) {
      const [answer] = answersOf(received);
      expect(answer?.status).toBe(429);
      expect(answer?.headers).toMatch(/^retry-after: 1$/im);
      expect(answer?.body).toContain(path.includes('messages') ? 'rate_limit_error' : 'concurrency_exceeded');
    }
    for (let calls = 0; calls < 10; calls += 1) expect(await status(otherKey)).toBe(200);
    disperse();
    await vi.waitFor(async () => expect(await status()).toBe(200));
  });

  it('that opens realtime sessions and names no model has as many, and everybody else is served', async () => {
    const url = `ws://127.0.0.1:${String(world.port)}/v1/realtime`;
    const sessions = Array.from(
      { length: MOST_IN_FLIGHT },
      () => new WebSocket(url, { headers: { authorization: `Bearer ${world.key}` } }),
    );
    const refusals: string[] = [];
    await Promise.all(
      sessions.map(
        (session) =>
          new Promise<void>((resolve) => {
            session.on('open', resolve);
            session.on('error', () => undefined);
            session.on('unexpected-response', (_request, response) => {
              let body = '';
              response.setEncoding('utf8').on('data', (text: string) => (body += text));
              response.on('end', () => {
                refusals.push(`${String(response.statusCode)} ${expectOpenAiError(body).code}`);
                resolve();
              });
            });
          }),
      ),
    );
    expect(refusals).toEqual(Array.from({ length: MOST_IN_FLIGHT - PLACES }, () => '429 concurrency_exceeded'));
    for (let calls = 0; calls < 10; calls += 1) expect(await status(otherKey)).toBe(200);
    for (const session of sessions) session.terminate();
    await vi.waitFor(async () => expect(await status()).toBe(200));
  });
});
