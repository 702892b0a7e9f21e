import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FilesServer, formOf } from './filesServer.ts';

interface Uploaded {
  readonly id: string;
  readonly url: string;
}

const PNG = new Uint8Array(Buffer.from('\x89PNG\r\n\x1a\n\0\0', 'latin1'));
let server: FilesServer;
let account = 0;
beforeAll(async () => {
  server = await FilesServer.start();
});
afterAll(() => server.close());
beforeEach(() => {
  server.aheadMs = 0;
  account += 1;
});

const me = () => `user${String(account)}`;
const post = (form: FormData, headers: Record<string, string> = { Agent: 'Dify' }) =>
  server.call('POST', '/api/v1/upload', me(), { body: form, headers });
async function uploaded(name: string, content: string | Uint8Array<ArrayBuffer>): Promise<Uploaded> {
  const answer = await post(formOf(name, content, { created_by: 'ada' }));
  return ((await answer.json()) as { data: Uploaded }).data;
}
const local = (url: string) => url.replace('https://relay.example', server.url);

describe('An upload to the gateway', () => {
  it('is answered with what the file is and where it can be read', async () => {
    const answer = await post(formOf('cat photo.png', PNG, { created_by: 'ada' }));
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      code: 0,
      msg: 'Success',
      data: {
        id: expect.stringMatching(/^file-/) as string,
        url: expect.stringMatching(
          /^https:\/\/relay\.example\/files\/file-[0-9a-f]{32}\?expires=\d+&signature=[0-9a-f]{64}$/,
        ) as string,
        name: 'cat_photo.png',
        size: 10,
        mime_type: 'image/png',
        created_by: 'ada',
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      },
    });
  });

  it.each([
    ['without an agent', {}, 400, 'Agent'],
    ['with an agent that is none', { Agent: 'gpt' }, 404, 'agent'],
  ])('%s is refused in the words of the gateway', async (_what, headers, status, word) => {
    const answer = await post(formOf('x', 'x', { created_by: 'ada' }), headers);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code: status, msg: expect.stringContaining(word) as string });
  });

  it('without who made it, or without a file, is refused', async () => {
    expect((await post(formOf('x', 'x'))).status).toBe(400);
    const empty = new FormData();
    empty.append('created_by', 'ada');
    expect((await post(empty)).status).toBe(400);
  });

  it('by somebody whose name cannot be stored is refused, and stores nothing', async () => {
    const answer = await post(formOf('x', 'x', { created_by: 'a\0b' }));
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ msg: expect.stringContaining('created_by') as string });
    expect(
      await server.library.list(`acct_${me()}`, { purpose: null, after: null, newestFirst: true, limit: 1 }),
    ).toEqual([]);
  });

  it('is allowed ten times a minute', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 11; n += 1) statuses.push((await post(formOf('x', 'x', { created_by: 'ada' }))).status);
    expect(statuses).toEqual([...Array<number>(10).fill(200), 429]);
  });
});

describe('The address of an upload', () => {
  it('is read by whoever has it, without a key, and the file is saved', async () => {
    const { url } = await uploaded('cat.png', PNG);
    const answer = await fetch(local(url));
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(PNG);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="cat.png"');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('is nothing after an hour', async () => {
    const { url } = await uploaded('cat.png', PNG);
    server.aheadMs = 3_601_000;
    expect((await fetch(local(url))).status).toBe(404);
  });

  it('is nothing when it was changed, in the same words as for a file that is not there', async () => {
    const first = await uploaded('cat.png', PNG);
    const second = await uploaded('dog.png', PNG);
    const swapped = first.url.replace(first.id, second.id);
    const missing = first.url.replace(first.id, 'file-none');
    const answers = await Promise.all(
      [swapped, missing, `${server.url}/files/${first.id}`].map((url) => fetch(local(url))),
    );
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    const [one, two] = await Promise.all(answers.map((answer) => answer.json() as Promise<{ msg: string }>));
    expect(one?.msg).toBe(two?.msg);
  });
});

describe('A chat that names uploads', () => {
  it('gets them as parts that a platform can fetch, each as what it is', async () => {
    const image = await uploaded('cat.png', PNG);
    const sound = await uploaded('cat.mp3', 'ID3\x04');
    const text = await uploaded('cat.txt', 'meow');
    const files = [image, sound, text].map(({ id }) => ({ kind: 'upload', id }) as const);
    const parts = await server.files.uploadsOf(`acct_${me()}`, files);
    expect([...parts.keys()]).toEqual([image.id, sound.id, text.id]);
    expect([...parts.values()]).toMatchObject([
      { type: 'image', source: { kind: 'url', mime: 'image/png' } },
      { type: 'audio', source: { kind: 'url', mime: 'audio/mpeg' } },
      { type: 'file', source: { kind: 'url', mime: 'text/plain' }, name: 'cat.txt' },
    ]);
    const part = parts.get(text.id);
    if (part?.type !== 'file' || part.source.kind !== 'url') throw new Error('no file by its address');
    expect(await (await fetch(local(part.source.url))).text()).toBe('meow');
  });

  it("gets none that are another account's or are not there", async () => {
    const { id } = await uploaded('cat.png', PNG);
    const ids = [id, 'file-none', '\0', 'a\0b', '\ud800'];
    const files = ids.map((each) => ({ kind: 'upload', id: each }) as const);
    expect(await server.files.uploadsOf('acct_other', files)).toEqual(new Map());
    expect([...(await server.files.uploadsOf(`acct_${me()}`, files)).keys()]).toEqual([id]);
  });
});
