import { createServer, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RemoteMedia } from '../../../infra/upstreams/remoteMedia.ts';

const PNG = Buffer.from('89504e470d0a1a0a', 'hex');

type Answer = (response: ServerResponse) => void;
const redirectTo =
  (location: string): Answer =>
  (response) =>
    void response.writeHead(302, { location }).end();
const file =
  (type: string, body: Buffer | string): Answer =>
  (response) =>
    void response.writeHead(200, { 'content-type': type }).end(body);
const notFound: Answer = (response) => void response.writeHead(404).end('internal detail');

/** What lies at each path; null where nothing is ever answered. */
const ANSWERS: Readonly<Record<string, Answer | null>> = {
  '/image': file('image/png; charset=binary', PNG),
  '/redirect': redirectTo('/image'),
  '/loop': redirectTo('/loop'),
  '/to-file': redirectTo('file:///etc/passwd'),
  '/page': file('text/html', '<p>secret</p>'),
  '/large': file('image/png', Buffer.alloc(1_001)),
  '/silent': null,
};

let server: Server;
let base: string;
const open = new RemoteMedia({ publicOnly: false, maxBytes: 1_000, timeoutMs: 2_000 });
const closed = new RemoteMedia({ timeoutMs: 2_000 });
let asked = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked += 1;
    const answer = ANSWERS[request.url ?? ''];
    if (answer !== null) (answer ?? notFound)(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});

afterAll(async () => {
  await Promise.all([open.close(), closed.close()]);
  server.closeAllConnections();
  server.close();
});

describe('A file that a client names by URL', () => {
  it.each(['/image', '/redirect'])('comes by its bytes from %s', async (path) => {
    expect(await open.fetch(base + path)).toEqual({ mime: 'image/png', data: PNG.toString('base64') });
  });

  it.each([
    ['/page', 'it is no image, audio or PDF'],
    ['/large', 'it is too large'],
    ['/loop', 'it is redirected too often'],
    ['/to-file', 'only http and https are fetched'],
    ['/missing', 'it was answered with an error'],
    ['/silent', 'it cannot be reached'],
  ])('is refused at %s, and nothing of what lies there is told', async (path, why) => {
    await expect(open.fetch(base + path)).rejects.toMatchObject({
      code: 'invalid_request',
      message: `A URL in this request cannot be used: ${why}.`,
    });
  });

  it.each([
    ...[
      'http://127.0.0.1/x',
      'http://[::1]/x',
      'http://[::ffff:127.0.0.1]/x',
      'http://169.254.169.254/latest/meta-data',
    ],
    ...['http://2130706433/', 'http://0x7f000001/', 'http://127.1/', 'http://localhost/', 'http://10.0.0.1/x'],
    ...['ftp://example.com/x', 'file:///etc/passwd', 'data:text/html,x', 'gopher://example.com', 'not a url'],
    ...['https://user:password@example.com/x', 'https://example.com:8443/x', '//example.com/x'],
  ])('is never asked for at %s', async (url) => {
    await expect(closed.fetch(url)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it.each([open, closed])('is refused where its name leads nowhere, and nothing else breaks', async (media) => {
    await expect(media.fetch('http://no-such-name.invalid/a.png')).rejects.toMatchObject({
      code: 'invalid_request',
      message: 'A URL in this request cannot be used: it cannot be reached.',
    });
  });

  it('is not asked for where a name leads to this machine', async () => {
    const before = asked;
    const { port } = server.address() as AddressInfo;
    await expect(closed.fetch(`http://localhost:${String(port)}/image`)).rejects.toMatchObject({
      code: 'invalid_request',
    });
    expect(asked).toBe(before);
  });
});
