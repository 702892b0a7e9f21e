import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workplace, type Printed } from '../../support/documents/programs.ts';
import { sample } from '../../support/documents/samples.ts';
import { describeWith } from '../../support/engines.ts';
import type { ScriptedCall } from '../../support/scriptedUpstream.ts';
import { Developer } from '../../support/developer.ts';
import { startLiveService, type LiveService } from '../../e2e/documents/liveService.ts';

const SAYS = 'This is a simulated answer. You said:';
const MODEL = 'gpt-3.5-turbo';

describeWith('python', 'the Python samples of the documents', (python) => {
  let live: LiveService;
  let workplace: Workplace;
  let key: string;

  beforeAll(async () => {
    workplace = await Workplace.open();
    live = await startLiveService(({ baseUrl }) => [{ name: 'one', baseUrl, models: [MODEL], coolsOff: false }]);
    key = live.service.firstRun.testKey;
  });
  afterAll(async () => {
    await live.dispose();
    await workplace.close();
  });

  const run = async (code: string, environment: Readonly<Record<string, string>> = {}): Promise<Printed> =>
    workplace.run(python, [await workplace.write('sample.py', code)], environment);

  describe('the client of AI Hub’s developer guide', () => {
    const program = (apiKey: string) =>
      sample('developerGuide', 'python client', {
        'https://api.aihub.com': live.service.baseUrl,
        your_api_key_here: apiKey,
      });

    it('prints an answer, and then another as it streams', async () => {
      expect((await run(program(key))).stdout).toBe(`${SAYS} 你好！\n${SAYS} 请写一首诗`);
    });

    it('raises what it was refused with', async () => {
      await expect(run(program('tly_test_wrong'))).rejects.toThrow(/API错误: 401 - .*"code":"invalid_api_key"/);
    });
  });

  describe('the portal’s sample, whose package nobody published, with the official client in its place', () => {
    /** The official client names its own streams otherwise, so a module of ours stands in: the same client, with this one name. */
    const STAND_IN = `
from openai import OpenAI

class AIHubClient(OpenAI):
    def __init__(self, **options):
        super().__init__(**options)
        create = self.chat.completions.create
        self.chat.completions.stream = lambda **wish: create(stream=True, **wish)
`;
    const answered = async (more = '') => {
      await workplace.write('ai_hub.py', STAND_IN);
      const code = sample('portal', 'python sdk', { YOUR_API_KEY: key }) + more;
      return (await run(code, { OPENAI_BASE_URL: `${live.service.baseUrl}/v1` })).stdout.split('\n');
    };

    it('prints what is streamed to it', async () => {
      const pieces = await answered();
      expect(pieces.filter((piece) => piece !== 'None').join('')).toBe(`${SAYS} Hello!`);
    });

    it('has its whole answer where the sample would look for it', async () => {
      const lines = await answered('print(response.choices[0].message.content)');
      expect(lines.at(-2)).toBe(`${SAYS} Hello!`);
    });
  });

  describe('the retrying function of the relay’s reference', () => {
    /** What the function takes from its surroundings, and a call of it. */
    const program = (apiKey: string, attempts: number) => `
import json
import requests
headers = {"Authorization": "Bearer ${apiKey}"}
${sample('relayReference', 'retry')}
data = {"model": "${MODEL}", "messages": [{"role": "user", "content": "Hello!"}]}
reply = make_request_with_retry("${live.service.baseUrl}/v1/chat/completions", data, max_retries=${String(attempts)})
print(reply and reply["choices"][0]["message"]["content"])
`;
    const answer = (call: ScriptedCall) =>
      call.answer(200, {
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'At last.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 },
      });
    const liveKey = async () => (await (await Developer.register(live.service.baseUrl)).issueKey({ mode: 'live' })).key;

    it('comes through when the provider recovers', async () => {
      const { provider } = live;
      const before = provider.calls.length;
      provider.next((call) => call.answer(503, { error: { message: 'busy' } })).next(answer);
      expect((await run(program(await liveKey(), 3))).stdout).toBe('At last.\n');
      expect(provider.calls.length - before).toBe(2);
    });

    it('gives up with nothing when the provider does not', async () => {
      live.provider.next((call) => call.answer(500, { error: { message: 'broken' } }));
      expect((await run(program(await liveKey(), 1))).stdout).toBe('None\n');
    });

    it('raises what was refused for good', async () => {
      await expect(run(program('tly_live_wrong', 1))).rejects.toThrow('401 Client Error');
    });
  });
});
