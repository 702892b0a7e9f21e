import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { FilesServer, formOf, MAX_FILE } from './filesServer.ts';

let server: FilesServer;
beforeAll(async () => {
  server = await FilesServer.start();
});
afterAll(() => server.close());
beforeEach(async () => {
  server.aheadMs = 0;
  for (const { id } of (await server.database.pool.query<{ id: string }>('SELECT id FROM files')).rows) {
    await server.objects.remove(id);
  }
  await server.database.pool.query('DELETE FROM files');
});

const sdk = (account = 'a') =>
  new OpenAI({ apiKey: `secret_${account}`, baseURL: `${server.url}/v1`, maxRetries: 0, logLevel: 'off' });
const upload = (name: string, content = 'text', account = 'a') =>
  sdk(account).files.create({ file: new File([content], name), purpose: 'user_data' });
const pause = () => new Promise((resolve) => setTimeout(resolve, 3));

describe("OpenAI's own client", () => {
  it('uploads, retrieves, downloads and deletes a file', async () => {
    const content = '{"a":1}\n{"b":"é中"}\n';
    const file = await sdk().files.create({ file: await toFile(Buffer.from(content), 'in.jsonl'), purpose: 'batch' });
    expect(file).toEqual({
      id: expect.stringMatching(/^file-[0-9a-f]{32}$/) as string,
      object: 'file',
      bytes: Buffer.byteLength(content),
      created_at: expect.closeTo(Date.now() / 1_000, -1) as number,
      filename: 'in.jsonl',
      purpose: 'batch',
      status: 'processed',
      expires_at: file.created_at + 30 * 86_400,
    });
    expect(await sdk().files.retrieve(file.id)).toEqual(file);
    expect(await (await sdk().files.content(file.id)).text()).toBe(content);
    expect(await sdk().files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    await expect(sdk().files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    expect(await server.stored()).toEqual([]);
  });

  it('walks through the list page by page, newest first, and by purpose', async () => {
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      ids.push((await upload(name)).id);
      await pause();
    }
    const walked: string[] = [];
    for await (const file of sdk().files.list({ limit: 1 })) walked.push(file.id);
    expect(walked).toEqual(ids.toReversed());
    const page = await sdk().files.list({ order: 'asc', limit: 2, after: ids[0] ?? '' });
    expect(page.data.map(({ id }) => id)).toEqual(ids.slice(1));
    expect(page.has_more).toBe(false);
    expect((await sdk().files.list({ purpose: 'batch' })).data).toEqual([]);
  });

  it('sets when a file expires', async () => {
    const file = await sdk().files.create({
      file: new File(['x'], 'x.txt'),
      purpose: 'assistants',
      expires_after: { anchor: 'created_at', seconds: 3_600 },
    });
    expect(file.expires_at).toBe(file.created_at + 3_600);
    server.aheadMs = 3_601_000;
    await expect(sdk().files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    expect((await sdk().files.list()).data).toEqual([]);
    expect(await server.stored()).toHaveLength(1);
    expect(await server.library.sweep()).toBe(1);
    expect(await server.stored()).toEqual([]);
  });
});

describe('A file', () => {
  it("is nobody's but its account's", async () => {
    const { id } = await upload('mine.txt');
    const { files } = sdk('b');
    for (const work of [() => files.retrieve(id), () => files.content(id), () => files.delete(id)]) {
      await expect(work()).rejects.toThrow('404 There is no such file.');
    }
    expect((await sdk('b').files.list()).data).toEqual([]);
    expect(await (await sdk().files.content(id)).text()).toBe('text');
  });

  it.each(['/v1/files/%00', '/v1/files/a%00b', '/v1/files/%00/content'])('is not there at %s', async (target) => {
    const methods = target.endsWith('content') ? ['GET'] : ['GET', 'DELETE'];
    for (const method of methods) expect((await server.call(method, target)).status).toBe(404);
  });

  it('is saved by whoever gets it and never shown, as what its bytes are', async () => {
    const form = formOf('page.html', '<html><script>alert(1)</script>', { purpose: 'user_data' });
    const { id } = (await (await server.call('POST', '/v1/files', 'a', { body: form })).json()) as { id: string };
    const answer = await server.call('GET', `/v1/files/${id}/content`);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': 'attachment; filename="page.html"',
      'x-content-type-options': 'nosniff',
      'content-length': '31',
    });
  });

  it.each([
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\boot.ini', 'boot.ini'],
    ['%2e%2e%2fsecret', '_2e_2e_2fsecret'],
    ['/absolute/path.txt', 'path.txt'],
    ['evil"; filename=x.html', 'evil_filename_x.html'],
    ['...', 'file'],
  ])('called %j is called %j here, and stored under a name of ours', async (name, safe) => {
    const form = formOf(name, 'x', { purpose: 'user_data' });
    const answer = await server.call('POST', '/v1/files', 'a', { body: form });
    const { id, filename } = (await answer.json()) as { id: string; filename: string };
    expect(filename).toMatch(/^[\w.-]+$/);
    expect(filename).not.toMatch(/^\./);
    if (!name.includes('"')) expect(filename).toBe(safe);
    expect(await server.stored()).toEqual([id]);
  });

  it('whose bytes cannot be read is answered with an error, not with half a file', async () => {
    const { id } = await upload('lost.txt');
    await server.objects.remove(id);
    const answer = await server.call('GET', `/v1/files/${id}/content`);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-disposition')).toBeNull();
  });
});

describe('An upload', () => {
  const posted = async (form: FormData, account = 'limits') => {
    const answer = await server.call('POST', '/v1/files', account, { body: form });
    return { status: answer.status, body: (await answer.json()) as { error?: Record<string, unknown> } };
  };

  it.each([
    ['no purpose', formOf('x', 'x'), 'purpose'],
    ['a purpose that is none', formOf('x', 'x', { purpose: 'batch_output' }), 'purpose'],
    ['an empty file', formOf('x', '', { purpose: 'batch' }), 'file'],
    ['half an expiry', formOf('x', 'x', { purpose: 'batch', 'expires_after[seconds]': '3600' }), 'expires_after'],
    [
      'too short a life',
      formOf('x', 'x', { purpose: 'batch', 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '60' }),
      'expires_after',
    ],
  ])('with %s is refused', async (_what, form, param) => {
    const { status, body } = await posted(form);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: 'invalid_request_error', param });
    expect(await server.stored()).toEqual([]);
  });

  it('that is too large is refused, and one of the largest size is taken', async () => {
    expect((await posted(formOf('x', 'x'.repeat(MAX_FILE + 1), { purpose: 'batch' }))).status).toBe(413);
    expect((await posted(formOf('x', 'x'.repeat(MAX_FILE + 100_000), { purpose: 'batch' }))).status).toBe(413);
    expect((await posted(formOf('x', 'x'.repeat(MAX_FILE), { purpose: 'batch' }))).status).toBe(200);
  });

  it('is refused when the account would have too much, also of uploads at the same time', async () => {
    const form = () => formOf('x', 'x'.repeat(MAX_FILE), { purpose: 'batch' });
    const first = await Promise.all([posted(form()), posted(form())]);
    const third = await posted(form());
    expect([...first, third].map(({ status }) => status)).toEqual([200, 200, 400]);
    expect(third.body.error?.['message']).toMatch(/at most 250000 bytes together/);
    expect((await posted(form(), 'other')).status).toBe(200);
    expect(await server.stored()).toHaveLength(3);
  });

  it('cannot pass the limit of its account by coming with many others', async () => {
    const bytes = Buffer.alloc(MAX_FILE, 'x');
    const file = { accountId: 'acct_many', name: 'x', bytes, purpose: 'batch', createdBy: null, keptMs: null } as const;
    const { pool } = server.database;
    const gate = await pool.connect();
    await gate.query('BEGIN');
    await gate.query('LOCK TABLE files IN SHARE MODE');
    const added = Promise.allSettled(Array.from({ length: 7 }, () => server.library.add(file)));
    await vi.waitFor(async () => {
      const { rows } = await gate.query<{ waiting: string }>(
        `SELECT count(*) AS waiting FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE NOT l.granted AND a.datname = current_database()`,
      );
      expect(rows).toEqual([{ waiting: '7' }]);
    });
    await gate.query('COMMIT');
    gate.release();
    expect((await added).filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(await server.stored()).toHaveLength(2);
  });

  describe('while other uploads are slow', () => {
    /** A form whose head has arrived, and whose rest has not. */
    const begun = async (account: string): Promise<Socket> => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      socket.write(
        `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret_${account}\r\nexpect: 100-continue\r\n` +
          'content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000\r\n\r\n',
      );
      await once(socket, 'data');
      return socket;
    };
    const uploading = (account: string) =>
      server.call('POST', '/v1/files', account, { body: formOf('x', 'x', { purpose: 'batch' }) });
    const status = async (account: string) => (await uploading(account)).status;

    it('is told to come again when those of its account are as many as may be, and others are served', async () => {
      const sockets = [await begun('a'), await begun('a')];
      const refused = await uploading('a');
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
      expect(await refused.json()).toMatchObject({ error: { code: 'concurrency_exceeded' } });
      expect(await status('late')).toBe(200);
      for (const socket of sockets) socket.destroy();
      await vi.waitFor(async () => expect(await status('a')).toBe(200));
    });

    it('is told to come again when all are as many as may be', async () => {
      const sockets = [await begun('a'), await begun('b'), await begun('c')];
      expect(await status('late')).toBe(503);
      for (const socket of sockets) socket.destroy();
      await vi.waitFor(async () => expect(await status('late')).toBe(200));
    });
  });

  it('without a key, or as JSON, is refused before it is read', async () => {
    const anonymous = await fetch(`${server.url}/v1/files`, { method: 'POST', body: formOf('x', 'x') });
    expect(anonymous.status).toBe(401);
    const headers = { 'content-type': 'application/json' };
    expect((await server.call('POST', '/v1/files', 'a', { body: '{}', headers })).status).toBe(415);
  });

  it('that waits for its bytes longer than an hour is forgotten, and what is stored stays', async () => {
    const kept = await upload('kept.txt');
    const found = await server.records.find('acct_a', kept.id, Date.now());
    if (!found) throw new Error('the upload is not there');
    await server.records.reserve({ ...found, id: 'file-half', objectKey: 'file-half' }, 1_000_000);
    await server.objects.put('file-half', Buffer.from('half'), 'text/plain');
    expect(await server.records.find('acct_a', 'file-half', Date.now())).toBeNull();
    expect(await server.library.sweep()).toBe(0);
    await server.database.pool.query(
      `UPDATE files SET reserved_at = now() - interval '61 minutes', created_at = created_at - interval '61 minutes'`,
    );
    expect(await server.library.sweep()).toBe(1);
    expect(await server.stored()).toEqual([kept.id]);
    expect(await server.library.sweep()).toBe(0);
  });
});

it.each(['limit=0', 'limit=10001', 'limit=x', 'order=up', 'after=%00', 'after=a%00b', 'purpose=%00'])(
  'A list with %s is refused',
  async (query) => {
    expect((await server.call('GET', `/v1/files?${query}`)).status).toBe(400);
  },
);
