import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { sendDownload } from '../../../services/http/sendDownload.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server that answers with these bytes; `ended` tells how sending them ended. */
async function serve(chunks: AsyncIterable<Uint8Array>, stallMs?: number) {
  const ended = Promise.withResolvers<unknown>();
  const server = createServer((_request, response) => {
    sendDownload(response, chunks, () => response.setHeader('x-begun', 'yes'), stallMs).then(
      () => ended.resolve('sent'),
      (error: unknown) => {
        ended.resolve(error);
        if (response.headersSent) response.destroy();
        else response.writeHead(500).end();
      },
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const ask = async (): Promise<IncomingMessage> => {
    const request = get(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    return answer;
  };
  return { ask, ended: ended.promise };
}

/** So many pieces; counts those that were asked for, and whether it was told that no more are wanted. */
function pieces(count: number, size: number, error?: Error) {
  const state = { given: 0, closed: false };
  const chunks = (async function* () {
    try {
      for (; state.given < count; state.given += 1) yield await Promise.resolve(Buffer.alloc(size, 'x'));
      if (error) throw error;
    } finally {
      state.closed = true;
    }
  })();
  return { chunks, state };
}

describe('A download', () => {
  it('reaches its client whole, as fast as that reads', async () => {
    const { chunks, state } = pieces(200, 65_536);
    const { ask, ended } = await serve(chunks);
    const answer = await ask();
    expect(answer.headers['x-begun']).toBe('yes');
    // A client that reads nothing yet: most of it is still to come.
    expect(state.given).toBeLessThan(200);
    expect(await text(answer)).toHaveLength(200 * 65_536);
    expect(await ended).toBe('sent');
    expect(state.closed).toBe(true);
  });

  it('ends when its client reads nothing any more', async () => {
    const { chunks, state } = pieces(100_000, 65_536);
    const { ask, ended } = await serve(chunks, 50);
    const answer = await ask();
    expect(await ended).toBe('sent');
    expect(state.closed).toBe(true);
    await expect(text(answer)).rejects.toThrow('aborted');
  });

  it('may be empty', async () => {
    const { ask } = await serve(pieces(0, 1).chunks);
    expect(await text(await ask())).toBe('');
  });

  it('whose first piece cannot be read has not begun', async () => {
    const failure = new Error('gone');
    const { ask, ended } = await serve(pieces(0, 1, failure).chunks);
    const answer = await ask();
    expect(answer.statusCode).toBe(500);
    expect(answer.headers['x-begun']).toBeUndefined();
    expect(await ended).toBe(failure);
  });

  it('that fails on its way does not look whole', async () => {
    const { ask } = await serve(pieces(2, 10, new Error('gone')).chunks);
    await expect(ask().then(text)).rejects.toThrow();
  });

  it('ends when its client leaves, and nothing more is read', async () => {
    const { chunks, state } = pieces(100_000, 65_536);
    const { ask, ended } = await serve(chunks);
    (await ask()).destroy();
    expect(await ended).toBe('sent');
    expect(state.closed).toBe(true);
    expect(state.given).toBeLessThan(100_000);
  });
});
