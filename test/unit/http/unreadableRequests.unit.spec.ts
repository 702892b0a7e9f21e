import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerUnreadable } from '../../../services/http/unreadableRequests.ts';

let server: Server;
let connections: Socket[] = [];

beforeAll(async () => {
  server = createServer(
    { connectionsCheckingInterval: 50, headersTimeout: 200, requestTimeout: 200 },
    (request, response) => {
      if (request.url === '/half') {
        response.write('half of an answer');
        setTimeout(() => response.end('the other half'), 50);
      } else if (request.url === '/early') response.write('early answer');
      else response.end('whole');
    },
  );
  answerUnreadable(server, { uuid: () => 'the-request-id' });
  server.on('connection', (socket: Socket) => connections.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

/** Everything that arrives until the other side ends; `after` is sent when something has. */
async function exchange(bytes: string, after?: string): Promise<string> {
  connections = [];
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.setEncoding('latin1');
  let received = '';
  socket.on('data', (text: string) => (received += text));
  if (after !== undefined) socket.once('data', () => socket.write(after));
  socket.write(bytes);
  await once(socket, 'close');
  return received;
}

describe('What cannot be read as a request', () => {
  it.each([
    ['no HTTP at all', 'Good morning\r\n\r\n', 400, 'invalid_request', false],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      'invalid_request',
      false,
    ],
    [
      'large headers',
      `GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
      false,
    ],
    [
      'a megabyte of headers',
      `GET / HTTP/1.1\r\nHost: x\r\n${'X-More: and more\r\n'.repeat(60_000)}`,
      431,
      'headers_too_large',
      false,
    ],
    ['headers that never end', 'GET / HTTP/1.1\r\nHost: x\r\n', 408, 'request_timeout', true],
  ])('such as %s is answered in OpenAI’s shape, and the connection ends', async (_what, bytes, status, code, retry) => {
    const answer = await exchange(bytes);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} \\w`));
    expect(head.toLowerCase().split('\r\n')).toEqual(
      expect.arrayContaining([
        'connection: close',
        'content-type: application/json; charset=utf-8',
        `content-length: ${String(Buffer.byteLength(body))}`,
        'x-request-id: the-request-id',
        `x-should-retry: ${String(retry)}`,
      ]),
    );
    expect(JSON.parse(body)).toMatchObject({
      error: { type: 'invalid_request_error', code, param: null, request_id: 'the-request-id' },
    });
  });

  it('waits for the answers to whole requests before it, and takes the place of none', async () => {
    const answer = await exchange(
      'GET /half HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGood morning\r\n\r\n',
    );
    const parts = answer.split(/(?=HTTP\/1\.1 )/);
    expect(parts.map((part) => part.slice(9, 12))).toEqual(['200', '200', '400']);
    expect(parts[0]).toMatch(/half of an answer[^]*the other half/);
    expect(parts[1]).toContain('whole');
  });

  it('puts nothing into the answer to a request whose own body breaks', async () => {
    const head = 'POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n';
    const answer = await exchange(head, 'nonsense\r\n');
    expect(answer).toContain('early answer');
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('holds no connection open for a client that neither reads nor leaves', async () => {
    connections = [];
    const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => socket.destroy());
    socket.write('Good morning\r\n\r\n');
    await once(socket, 'readable');
    const [theirs] = connections;
    if (theirs?.destroyed === false) await once(theirs, 'close');
    expect(theirs?.destroyed).toBe(true);
    socket.destroy();
  });
});
