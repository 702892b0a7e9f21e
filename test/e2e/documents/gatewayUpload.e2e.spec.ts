import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { send } from '../../support/documents/httpSample.ts';
import { Workplace } from '../../support/documents/programs.ts';
import { sample } from '../../support/documents/samples.ts';
import { answerAsPlatform } from './agentPlatforms.ts';
import { startLiveService, type LiveService } from './liveService.ts';

const GATEWAY = 'agentGateway';
const LOCAL = 'http://localhost:3000';
/** A PDF with nothing on it. */
const PDF =
  '%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n%%EOF\n';

let live: LiveService;
let workplace: Workplace;
let developer: Developer;
let key: string;

beforeAll(async () => {
  workplace = await Workplace.open();
  await workplace.write('document.pdf', PDF);
  live = await startLiveService(({ origin }) => [
    { name: 'dify', protocol: 'dify', baseUrl: origin, models: ['dify'], coolsOff: false },
  ]);
  live.provider.otherwise(answerAsPlatform);
  developer = await Developer.register(live.service.baseUrl);
  key = (await developer.issueKey({ mode: 'live' })).key;
});
afterAll(async () => {
  await live.dispose();
  await workplace.close();
});

interface Uploaded {
  readonly code: number;
  readonly msg: string;
  readonly detail: string;
  readonly data: { readonly id: string; readonly url: string };
}

async function upload(apiKey = key, filledIn: Readonly<Record<string, string>> = {}): Promise<Uploaded> {
  const line = sample(GATEWAY, 'upload', { [LOCAL]: live.service.baseUrl, ...filledIn });
  return JSON.parse(
    await workplace.shell(line.replace('curl', `curl -s -H 'Authorization: Bearer ${apiKey}'`)),
  ) as Uploaded;
}

describe('the upload of the gateway’s document', () => {
  it('is answered in its envelope with an address where the file can be read', async () => {
    const answer = await upload();
    expect(answer).toMatchObject({
      code: 0,
      msg: 'Success',
      data: {
        id: expect.stringMatching(/^file-/) as unknown,
        name: 'document.pdf',
        size: PDF.length,
        mime_type: 'application/pdf',
        created_by: 'test_user',
      },
    });
    const { pathname, search } = new URL(answer.data.url);
    const read = await fetch(live.service.baseUrl + pathname + search);
    expect(read.headers.get('content-disposition')).toContain('attachment');
    expect(await read.text()).toBe(PDF);
    expect((await fetch(live.service.baseUrl + pathname)).status).toBe(404);
  });

  it('may be named in a chat, and reaches the platform by its address', async () => {
    const { data } = await upload();
    const chat = sample(GATEWAY, 'chat', {
      [LOCAL]: live.service.baseUrl,
      'agent: fastgpt': 'agent: dify',
      '"stream": false': `"stream": false, "files": [{"id": "${data.id}"}]`,
    });
    const answer = await workplace.shell(chat.replace('curl', `curl -s -H 'Authorization: Bearer ${key}'`));
    expect(JSON.parse(answer)).toMatchObject({ choices: [{ message: { content: '你好！' } }] });
    const asked = live.provider.calls.at(-1)?.json() as { files: { type: string; url: string }[] };
    expect(asked.files).toMatchObject([{ type: 'document', transfer_method: 'remote_url' }]);
    expect(new URL(asked.files[0]?.url ?? '').pathname).toBe(`/files/${data.id}`);
  });

  it('is another account’s for nobody', async () => {
    const { data } = await upload();
    const stranger = await (await Developer.register(live.service.baseUrl)).issueKey({ mode: 'live' });
    const chat = { query: 'Hi', user: 'test_user', files: [{ id: data.id }] };
    const head = `POST /api/v1/chat\nAuthorization: Bearer ${stranger.key}\nContent-Type: application/json\nAgent: dify`;
    expect(await send(live.service.baseUrl, `${head}\n\n${JSON.stringify(chat)}`)).toMatchObject({
      status: 404,
      body: { code: 404, detail: 'not_found' },
    });
  });

  it('is refused without a key, without a file and for a platform that is not known', async () => {
    expect(await upload('')).toMatchObject({ code: 401 });
    expect(await upload(key, { "'file=@document.pdf'": "'document=@document.pdf'" })).toMatchObject({ code: 400 });
    expect(await upload(key, { 'agent: fastgpt': 'agent: langflow' })).toMatchObject({ code: 404 });
  });

  it('is allowed 10 times in a minute', async () => {
    const { key: own } = await developer.issueKey({ mode: 'live' });
    const codes: number[] = [];
    for (let at = 0; at < 11; at += 1) codes.push((await upload(own)).code);
    expect(codes).toEqual([...Array.from({ length: 10 }, () => 0), 429]);
  });
});
