import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { chunksOf, send } from '../../support/documents/httpSample.ts';
import { Workplace } from '../../support/documents/programs.ts';
import { sample } from '../../support/documents/samples.ts';
import { startBookedService, type BookedService } from '../clients/bookedService.ts';

const PORTAL = 'portal';
const SAYS = 'This is a simulated answer. You said:';
const INTRODUCED = `${SAYS} 你好，请介绍一下AI Hub平台`;

let service: BookedService;
let workplace: Workplace;
let key: string;

beforeAll(async () => {
  [service, workplace] = await Promise.all([startBookedService(), Workplace.open()]);
  key = service.firstRun.testKey;
});
afterAll(async () => {
  await service.dispose();
  await workplace.close();
});

interface Chunk {
  readonly object: string;
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}

/** The portal's body, posted as its curl line authenticates; that line has no body of its own. */
async function post(path: string, streamed = true): Promise<string> {
  const curl = sample(PORTAL, 'authentication', {
    YOUR_API_KEY: key,
    'https://api.aihub.com/v1/chat/completions': service.baseUrl + path,
  });
  await workplace.write('body.json', sample(PORTAL, 'chat body', streamed ? {} : { true: 'false' }));
  return workplace.shell(curl.replace('curl', 'curl -s -d @body.json'));
}

const contentOf = (stream: string) =>
  (chunksOf(stream) as Chunk[]).map(({ choices }) => choices[0]?.delta.content ?? '').join('');

describe('the body of the portal', () => {
  it.each(['/v1/chat/completions', '/v1/chat/stream', '/api/v1/chat/completions', '/api/v1/chat/stream'])(
    'streams raw chunks from %s, every one with a choice',
    async (path) => {
      const stream = await post(path);
      expect(contentOf(stream)).toBe(INTRODUCED);
      for (const { object, choices } of chunksOf(stream) as Chunk[]) {
        expect(object).toBe('chat.completion.chunk');
        expect(choices).toHaveLength(1);
      }
    },
  );

  it('is answered bare below /v1 and in an envelope below /api/v1 when it asks for no stream', async () => {
    const completion = { object: 'chat.completion', choices: [{ message: { content: INTRODUCED } }] };
    expect(JSON.parse(await post('/v1/chat/completions', false))).toMatchObject(completion);
    expect(JSON.parse(await post('/api/v1/chat/completions', false))).toMatchObject({
      success: true,
      data: completion,
    });
  });

  it.each(['/v1/chat/stream', '/api/v1/chat/stream'])('streams from %s even so', async (path) => {
    expect(contentOf(await post(path, false))).toBe(INTRODUCED);
  });

  it.each(['/v1/chat/models', '/api/v1/chat/models'])('names a model of %s', async (path) => {
    const { body } = await send<{ data: object[] }>(service.baseUrl, `GET ${path}\nAuthorization: Bearer ${key}`);
    expect(body.data).toContainEqual(expect.objectContaining({ id: 'gpt-4o' }));
  });
});

describe('the portal’s JavaScript sample, whose package nobody published, with the official client in its place', () => {
  const run = (more = '') =>
    workplace.node(
      sample(PORTAL, 'javascript sdk', {
        YOUR_API_KEY: key,
        "{ AIHubClient } from '@ai-hub/javascript'": "{ OpenAI as AIHubClient } from 'openai'",
      }) + more,
      { OPENAI_BASE_URL: `${service.baseUrl}/v1` },
    );

  it('prints what is streamed to it', async () => {
    const { stdout, stderr } = await run();
    expect(stderr).toBe('');
    const pieces = stdout.split('\n').filter((line) => line !== '' && line !== 'undefined');
    expect(pieces.join('')).toBe(`${SAYS} Hello!`);
  });

  it('has its whole answer where the sample would look for it', async () => {
    const { stdout } = await run('console.log(response.choices[0].message.content);');
    expect(stdout.split('\n').at(-2)).toBe(`${SAYS} Hello!`);
  });
});

describe('the portal’s routes for keys', () => {
  it('issue, list, change and revoke, and show and change what a key may do', async () => {
    const developer = await Developer.register(service.baseUrl);
    const ask = (line: string, body?: object) =>
      send<{ success: boolean; data: Readonly<Record<string, unknown>> }>(
        service.baseUrl,
        `${line}\nAuthorization: Bearer ${developer.token}\nContent-Type: application/json` +
          (body === undefined ? '' : `\n\n${JSON.stringify(body)}`),
      );
    const issued = await ask('POST /api/v1/api-keys', { name: 'portal', mode: 'test' });
    expect(issued).toMatchObject({ status: 201, body: { success: true, data: { name: 'portal', status: 'active' } } });
    const { id, key: secret } = issued.body.data as { id: string; key: string };

    const listed = await ask('GET /api/v1/api-keys');
    expect(listed.body).toMatchObject({ success: true, data: [{ id, name: 'portal' }] });
    expect(listed.text).not.toContain(secret);

    expect((await ask(`PUT /api/v1/api-keys/${id}`, { name: 'renamed' })).body.data).toMatchObject({ name: 'renamed' });
    const narrowed = await ask(`PUT /api/v1/api-keys/${id}/permissions`, { models: ['gpt-4o'] });
    expect(narrowed.body.data).toMatchObject({ id, models: ['gpt-4o'] });
    expect((await ask(`GET /api/v1/api-keys/${id}/permissions`)).body.data).toMatchObject({ models: ['gpt-4o'] });

    const useIt = async () => {
      const head = `POST /v1/chat/completions\nAuthorization: Bearer ${secret}\nContent-Type: application/json`;
      return (await send(service.baseUrl, `${head}\n\n${sample(PORTAL, 'chat body')}`)).status;
    };
    expect(await useIt()).toBe(200);
    expect((await ask(`DELETE /api/v1/api-keys/${id}`)).body.data).toMatchObject({ id, status: 'revoked' });
    expect(await useIt()).toBe(401);
  });
});
