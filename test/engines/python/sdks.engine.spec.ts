import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatPicos } from '../../../events/money.ts';
import { startLiveService, type LiveService } from '../../e2e/documents/liveService.ts';
import { bookedCall } from '../../e2e/clients/bookedService.ts';
import { Developer } from '../../support/developer.ts';
import { Workplace } from '../../support/documents/programs.ts';
import { describeWith } from '../../support/engines.ts';
import type { ScriptedCall } from '../../support/scriptedUpstream.ts';

const SIMULATED = 'tallystick-sim';
/** Served by a provider that the test scripts, which speaks as OpenAI does. */
const LIVE = 'gpt-4o';
const SAYS = 'This is a simulated answer. You said:';
/** What was called, by its name. */
type Told = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
const [OPENAI, ANTHROPIC] = ['openaiCalls.py', 'anthropicCalls.py'].map((name) =>
  fileURLToPath(new URL(name, import.meta.url)),
) as [string, string];

describeWith('python', 'the official Python clients', (python) => {
  let live: LiveService;
  let workplace: Workplace;
  let liveKey: string;

  beforeAll(async () => {
    workplace = await Workplace.open();
    live = await startLiveService(({ baseUrl }) => [{ name: 'one', baseUrl, models: [LIVE], coolsOff: false }]);
    liveKey = (await (await Developer.register(live.service.baseUrl)).issueKey({ mode: 'live' })).key;
  });
  afterAll(async () => {
    await live.dispose();
    await workplace.close();
  });

  /** What these calls of one of the two programs give: with a test key, unless it is for the live model. */
  async function calls(program: string, model: string, ...names: readonly string[]): Promise<Told> {
    const { baseUrl, firstRun } = live.service;
    const key = model === LIVE ? liveKey : firstRun.testKey;
    const { stdout } = await workplace.run(python, [program, model, ...names], {
      OPENAI_BASE_URL: `${baseUrl}/v1`,
      OPENAI_API_KEY: key,
      ANTHROPIC_BASE_URL: baseUrl,
      ANTHROPIC_API_KEY: key,
    });
    return JSON.parse(stdout) as Told;
  }

  function answer(upstream: ScriptedCall): void {
    upstream.answer(200, {
      object: 'chat.completion',
      model: LIVE,
      choices: [{ index: 0, message: { role: 'assistant', content: 'A pixel.' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
    });
  }

  /** What reached the provider last as the content of a message by the user. */
  function contentAsked(): unknown {
    const body = live.provider.calls.at(-1)?.json() as { messages: { content: unknown }[] } | undefined;
    return body?.messages[0]?.content;
  }
  const PIXEL = {
    type: 'image_url',
    image_url: { url: expect.stringMatching(/^data:image\/png;base64,iVBOR/) as string },
  };

  describe('of OpenAI', () => {
    let told: Told;
    beforeAll(async () => {
      const names = ['text', 'stream', 'helper', 'tools', 'streamed_tools', 'responses', 'models', 'errors'];
      told = await calls(OPENAI, SIMULATED, ...names);
    });

    it('gets an answer, its cost, and a request id that the books know', async () => {
      const { cost, requestId } = told['text'] as { cost: number; requestId: string };
      expect(told['text']).toMatchObject({
        content: `${SAYS} Hello there`,
        finish: 'stop',
        model: SIMULATED,
        added: true,
        costHeader: cost,
      });
      const { amount } = await bookedCall(live.service, requestId);
      expect(formatPicos(amount)).toBe(cost.toFixed(12).replace(/0+$/, ''));
    });

    it('reads a stream to its usage, which comes in a chunk of its own at the end', () => {
      const { usage, ...rest } = told['stream'] as { usage: boolean[] };
      expect(rest).toEqual({ content: `${SAYS} 你好 there`, finish: 'stop', cost: expect.any(Number) as unknown });
      expect(usage.indexOf(true)).toBe(usage.length - 1);
    });

    it('reads a stream with its own helper', () => {
      expect(told['helper']).toEqual({
        kinds: ['chunk', 'content.delta', 'content.done'],
        content: `${SAYS} Hello`,
      });
    });

    it('is asked to call a tool, and goes on with its result', () => {
      expect(told['tools']).toEqual({
        finish: 'tool_calls',
        name: 'get_weather',
        arguments: { query: 'Paris?' },
        then: `${SAYS} So?`,
      });
    });

    it('is asked to call a tool piece by piece', () => {
      expect(told['streamed_tools']).toEqual({ name: 'get_weather', arguments: { query: 'Paris?' } });
    });

    it('shows an image to the provider', async () => {
      live.provider.next(answer);
      expect(await calls(OPENAI, LIVE, 'image')).toEqual({ image: { content: 'A pixel.' } });
      expect(contentAsked()).toEqual([{ type: 'text', text: 'What is it?' }, PIXEL]);
    });

    it('gets responses, whole and streamed', () => {
      expect(told['responses']).toEqual({
        text: `${SAYS} Hello`,
        status: 'completed',
        streamed: `${SAYS} Hello`,
        last: 'response.completed',
      });
    });

    it('finds a model', () => {
      expect(told['models']).toEqual({ listed: true, one: SIMULATED });
    });

    it('tries again by itself when the provider was busy', async () => {
      const before = live.provider.calls.length;
      live.provider.next((upstream) => upstream.answer(503, { error: { message: 'busy' } })).next(answer);
      expect(await calls(OPENAI, LIVE, 'retried')).toMatchObject({ retried: { content: 'A pixel.' } });
      expect(live.provider.calls.length - before).toBe(2);
    });

    it('raises its own errors', () => {
      expect(told['errors']).toEqual({
        key: ['AuthenticationError', 401, 'invalid_api_key'],
        model: ['NotFoundError', 404, 'model_not_found'],
        request: ['BadRequestError', 400, 'invalid_request'],
        limited: ['RateLimitError', 429, 'upstream_rate_limited'],
        provider: ['InternalServerError', 502, 'bad_gateway'],
        stream: ['APIError', null, 'bad_gateway'],
      });
    });
  });

  describe('of Anthropic', () => {
    let told: Told;
    beforeAll(async () => {
      const names = ['text', 'stream', 'tools', 'streamed_tools', 'count', 'models', 'errors'];
      told = await calls(ANTHROPIC, SIMULATED, ...names);
    });

    it('gets an answer, and a request id that the books know', async () => {
      expect(told['text']).toMatchObject({
        content: [`${SAYS} Hello there`],
        stop: 'end_turn',
        model: SIMULATED,
        counted: true,
      });
      const { requestId } = told['text'] as { requestId: string };
      expect(await bookedCall(live.service, requestId)).toMatchObject({ status: 'completed' });
    });

    it('reads a stream with its own helper', () => {
      const whole = `${SAYS} 你好 there`;
      expect(told['stream']).toEqual({
        pieces: true,
        content: whole,
        final: whole,
        stop: 'end_turn',
        counted: true,
      });
    });

    it('is asked to use a tool, and goes on with its result', () => {
      expect(told['tools']).toEqual({
        stop: 'tool_use',
        name: 'get_weather',
        input: { query: 'Paris?' },
        then: `${SAYS} So?`,
      });
    });

    it('is asked to use a tool piece by piece', () => {
      expect(told['streamed_tools']).toEqual({
        type: 'tool_use',
        name: 'get_weather',
        input: { query: 'Paris?' },
      });
    });

    it('shows an image to a provider of another protocol', async () => {
      live.provider.next(answer);
      expect(await calls(ANTHROPIC, LIVE, 'image')).toEqual({ image: { content: 'A pixel.' } });
      expect(contentAsked()).toMatchObject([PIXEL, { type: 'text', text: 'What is it?' }]);
    });

    it('counts tokens and finds a model', () => {
      expect(told['count']).toEqual({ counted: true });
      expect(told['models']).toEqual({ listed: true, one: SIMULATED });
    });

    it('raises its own errors', () => {
      expect(told['errors']).toEqual({
        key: ['AuthenticationError', 401, 'authentication_error'],
        model: ['NotFoundError', 404, 'not_found_error'],
        request: ['BadRequestError', 400, 'invalid_request_error'],
        limited: ['RateLimitError', 429, 'rate_limit_error'],
        provider: ['InternalServerError', 502, 'api_error'],
        stream: ['APIStatusError', 200, 'api_error'],
      });
    });
  });
});
