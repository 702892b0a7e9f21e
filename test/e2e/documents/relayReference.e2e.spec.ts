import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { chunksOf, send } from '../../support/documents/httpSample.ts';
import { differences } from '../../support/documents/likeness.ts';
import { Workplace } from '../../support/documents/programs.ts';
import { jsonSample, sample } from '../../support/documents/samples.ts';
import { startBookedService, type BookedService } from '../clients/bookedService.ts';

const REFERENCE = 'relayReference';
const EXAMPLE = 'https://api.example.com';
const SAYS = 'This is a simulated answer. You said:';

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

/** What a curl sample prints. */
async function curl(title: string, placeholder: string): Promise<string> {
  const line = sample(REFERENCE, title, { [EXAMPLE]: service.baseUrl, [placeholder]: key });
  return workplace.shell(line.replace('curl', 'curl -s'));
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}
const contentOf = (chunks: readonly Chunk[]) => chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');

describe('the curl lines of the relay’s reference', () => {
  it('get a chat completion in the shape of the sample', async () => {
    const answer = JSON.parse(await curl('chat', 'your-api-key')) as unknown;
    expect(differences(answer, jsonSample(REFERENCE, 'chat reply'))).toEqual([]);
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'gpt-3.5-turbo',
      choices: [{ index: 0, message: { role: 'assistant', content: `${SAYS} Hello!` }, finish_reason: 'stop' }],
    });
  });

  it('get a stream', async () => {
    const chunks = chunksOf(await curl('chat stream', 'your-api-key')) as Chunk[];
    expect(contentOf(chunks)).toBe(`${SAYS} Tell me a story`);
  });

  it('get a message of Claude in the shape of its schema', async () => {
    const answer = JSON.parse(await curl('claude message', 'your-anthropic-key')) as unknown;
    expect(differences(answer, jsonSample(REFERENCE, 'claude reply'))).toEqual([]);
    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'claude-3-opus-20240229',
      content: [{ type: 'text', text: `${SAYS} Hello!` }],
      stop_reason: 'end_turn',
    });
  });
});

describe('the lists of models of the reference', () => {
  it('are OpenAI’s at /v1/models, with the models of its samples', async () => {
    const { status, body } = await send<{ data: object[] }>(
      service.baseUrl,
      `GET /v1/models\nAuthorization: Bearer ${key}`,
    );
    expect(status).toBe(200);
    expect(differences(body, jsonSample(REFERENCE, 'models reply'))).toEqual([]);
    for (const id of ['gpt-3.5-turbo', 'gpt-4', 'claude-3-opus-20240229']) {
      expect(body.data).toContainEqual(expect.objectContaining({ id, object: 'model' }));
    }
  });

  it('are Google’s at /v1beta/models', async () => {
    const { status, body } = await send<{ models: { name: string }[] }>(
      service.baseUrl,
      `GET /v1beta/models\nx-goog-api-key: ${key}`,
    );
    expect(status).toBe(200);
    expect(differences(body, jsonSample(REFERENCE, 'gemini models reply'))).toEqual([]);
    expect(body.models.map(({ name }) => name)).toContain('models/gemini-2.5-flash');
  });
});

describe('the function of the reference that reads a stream', () => {
  const program = () => sample(REFERENCE, 'read stream', { [EXAMPLE]: service.baseUrl, 'your-api-key': key });

  it('prints every chunk and fails to parse none', async () => {
    const { stdout, stderr } = await workplace.node(`${program()}\nawait streamChatCompletion();`);
    expect(stderr).toBe('');
    // A first chunk with the role, one for each of seven words, and one with the end.
    expect(stdout.match(/^流式响应: \{$/gm)).toHaveLength(10);
  });

  it('gets whole chunks that make up the answer', async () => {
    const noting = 'const noted = []; console.log = (_label, chunk) => noted.push(chunk);\n';
    const telling = '\nawait streamChatCompletion();\nprocess.stdout.write(JSON.stringify(noted));';
    const { stdout } = await workplace.node(noting + program() + telling);
    expect(contentOf(JSON.parse(stdout) as Chunk[])).toBe(`${SAYS} Hello!`);
  });
});

describe('an error of the reference', () => {
  interface Failure {
    readonly error: { readonly type: string; readonly code: string };
  }
  const ask = (authorization: string, said = 'Hello!') =>
    send<Failure>(
      service.baseUrl,
      `POST /v1/chat/completions\nContent-Type: application/json${authorization}\n\n` +
        JSON.stringify({ model: 'gpt-3.5-turbo', messages: [{ role: 'user', content: said }] }),
    );
  const asCaller = (said: string) => ask(`\nAuthorization: Bearer ${key}`, said);

  it('has type, parameter and code of its sample for a wrong key', async () => {
    const { status, body } = await ask('\nAuthorization: Bearer sk-wrong');
    const printed = jsonSample(REFERENCE, 'error reply') as { error: { message: string } };
    const { message: _words, ...rest } = printed.error;
    expect(status).toBe(401);
    expect(body).toMatchObject({ error: rest });
    expect(differences(body, printed)).toEqual([]);
  });

  it('has the status and code of its table', async () => {
    const developer = await Developer.register(service.baseUrl);
    const slow = await developer.issueKey({ limits: { requests_per_minute: 0 } });
    const told = async (answer: ReturnType<typeof ask>) => {
      const { status, body } = await answer;
      expect(Object.keys(body.error)).toEqual(expect.arrayContaining(['message', 'type', 'param', 'code']));
      return [status, body.error.code];
    };
    expect(await told(ask(''))).toEqual([401, 'authentication_failed']);
    expect(await told(ask(`\nAuthorization: Bearer ${slow.key}`))).toEqual([429, 'rate_limit_exceeded']);
    expect(await told(asCaller('[[sim status=500]]'))).toEqual([502, 'bad_gateway']);
    expect(await told(asCaller('[[sim status=503]]'))).toEqual([503, 'service_unavailable']);
    expect(await told(asCaller('[[sim status=504]]'))).toEqual([504, 'gateway_timeout']);
  });

  it('is an invalid_request_error where a needed parameter is missing', async () => {
    const request = `POST /v1/chat/completions\nContent-Type: application/json\nAuthorization: Bearer ${key}\n\n{}`;
    const { status, body } = await send<Failure>(service.baseUrl, request);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: 'invalid_request_error', param: 'model' });
  });
});
