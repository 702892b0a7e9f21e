import { describe, expect, it } from 'vitest';
import type { AnswerEvent, FinishReason } from '../../../../services/relay/canonical/answer.ts';
import { CollectedAnswer } from '../../../../services/relay/canonical/collectAnswer.ts';
import { completionsCall } from '../../../../services/relay/dialects/completions/call.ts';
import { completionsPrompt } from '../../../../services/relay/dialects/completions/prompt.ts';
import { parseCompletionsRequest } from '../../../../services/relay/dialects/completions/request.ts';
import { completionsWriter } from '../../../../services/relay/dialects/completions/writer.ts';
import { openaiProtocol } from '../../../../services/relay/dialects/openai/upstream.ts';
import { chunk, cut, sse } from '../chatFixtures.ts';
import { BILLED, BILLED_USAGE, channel, CONTEXT } from '../openai/canonicalFixtures.ts';

const MODEL = 'gpt-5-mini';
const OUR_ID = 'cmpl-0198c0de000070008000000000000001';
const DONE = 'data: [DONE]\n\n';

function raw(change: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ model: MODEL, prompt: 'Once', ...change }));
}

function request(change: object = {}) {
  return parseCompletionsRequest(raw(change), 64);
}

function call(change: object = {}) {
  return completionsCall(raw(change), 64, () => openaiProtocol);
}

describe('A completions body', () => {
  it('has the defaults of OpenAI', () => {
    const { body: _body, raw: _raw, ...read } = request();
    expect(read).toEqual({
      model: MODEL,
      prompt: 'Once',
      streamed: false,
      usageWanted: false,
      maxOutput: 16,
      choices: 1,
    });
  });

  it('may say everything that does nothing', () => {
    const nothing = { echo: false, suffix: '', logprobs: null, best_of: 1, stop: null, user: 'u' };
    expect(request({ ...nothing, prompt: ['Once'] }).prompt).toBe('Once');
    expect(request({ n: 2, best_of: 2 }).choices).toBe(2);
  });

  it.each([
    [{ prompt: ['a', 'b'] }, 'prompt'],
    [{ prompt: [1, 2] }, 'prompt'],
    [{ prompt: [[1], [2]] }, 'prompt'],
    [{ prompt: [] }, 'prompt'],
    [{ echo: true }, 'echo'],
    [{ suffix: 'end' }, 'suffix'],
    [{ logprobs: 0 }, 'logprobs'],
    [{ best_of: 3, n: 2 }, 'best_of'],
  ])('asks too much with %j', (change, param) => {
    expect(() => request(change)).toThrow(
      expect.objectContaining({ name: 'ApiError', code: 'unsupported_parameter', param }),
    );
  });

  it.each([
    [{ prompt: 7 }, 'prompt'],
    [{ prompt: undefined }, 'prompt'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ temperature: 3 }, 'temperature'],
    [{ model: '' }, 'model'],
    [{ Model: 'other' }, 'model'],
    [{ Echo: true }, 'echo'],
  ])('is refused with %j', (change, param) => {
    expect(() => request(change)).toThrow(expect.objectContaining({ code: 'invalid_request', param }));
  });
});

describe('A completion in canonical form', () => {
  it('is one user message', () => {
    const stated = { temperature: 1, top_p: 0.5, presence_penalty: 1, frequency_penalty: -1, seed: 7, stop: 'x' };
    expect(completionsPrompt(request({ ...stated, max_tokens: 5, n: 2, stream: true }))).toEqual({
      system: [],
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'Once' }] }],
      tools: [],
      toolChoice: null,
      parallelTools: null,
      format: null,
      reasoning: null,
      session: null,
      sampling: {
        temperature: 1,
        topP: 0.5,
        topK: null,
        presencePenalty: 1,
        frequencyPenalty: -1,
        seed: 7,
        stop: ['x'],
      },
      maxOutput: 5,
      choices: 2,
      streamed: true,
    });
  });
});

describe('A completions call', () => {
  it('is bound by its prompt and its limit', () => {
    expect(call({ n: 2 }).bounds(4_096)).toEqual({ inputTokens: 68, outputTokens: 32, other: {} });
    expect(call({ max_tokens: 9_000 }).bounds(100).outputTokens).toBe(100);
    expect(call().promptToCount()).toEqual({ texts: ['Once'], overhead: 3 });
    expect(call({ stream: true })).toMatchObject({ route: '/v1/completions', model: MODEL, streamed: true });
  });

  it('goes up as a chat, to a channel of its own dialect too', async () => {
    const { request: sent } = await call({ stream: true }).passage(channel(), CONTEXT);
    expect(sent.path).toBe('/chat/completions');
    expect(JSON.parse(String(sent.body))).toEqual({
      model: 'vendor/model-1',
      messages: [{ role: 'user', content: 'Once' }],
      stream: true,
      stream_options: { include_usage: true },
      max_completion_tokens: 16,
    });
  });

  it('comes back the same wherever bytes are cut', async () => {
    const stream = sse(
      chunk({ delta: { role: 'assistant', content: '' } }),
      chunk({ delta: { content: ' upon 时' } }),
      chunk({ finish: 'length' }),
      '[DONE]',
    );
    const passage = await call({ stream: true }).passage(channel(), CONTEXT);
    for (const size of [1, 7, stream.length]) {
      const reading = passage.read({ 'content-type': 'text/event-stream' });
      const pieces = cut(stream, size).map((piece) => reading.feed(piece));
      const written = [...pieces, reading.end(), reading.ending(BILLED)].join('');
      const asChunk = (text: string, finish: string | null) =>
        `data: ${JSON.stringify({ id: OUR_ID, object: 'text_completion', created: 1_763_630_000, model: MODEL, choices: [{ text, index: 0, logprobs: null, finish_reason: finish }] })}\n\n`;
      expect(reading).toMatchObject({ done: true, failure: null, contentType: 'text/event-stream; charset=utf-8' });
      expect(written).toBe(asChunk(' upon 时', null) + asChunk('', 'length') + DONE);
    }
  });
});

describe('A completion for a client', () => {
  const text = (said: string, choice = 0): AnswerEvent => ({ type: 'text', choice, text: said });
  const refusal: AnswerEvent = { type: 'refusal', choice: 0, text: 'No.' };
  const finish = (reason: FinishReason, choice = 0): AnswerEvent => ({
    type: 'finish',
    choice,
    reason,
    stopSequence: null,
  });
  const writer = (usageWanted = false, streamed = false) => completionsWriter({ streamed, usageWanted, model: MODEL });

  function whole(...events: readonly AnswerEvent[]): string {
    const collected = new CollectedAnswer();
    for (const event of events) collected.add(event);
    return writer().whole(collected.answer(), BILLED, CONTEXT);
  }

  function stream(usageWanted: boolean, ...events: readonly AnswerEvent[]) {
    const encoder = writer(usageWanted, true).encoder(CONTEXT);
    return { pieces: events.map((event) => encoder.write(event)), ending: encoder.ending(BILLED) };
  }

  it('is one object with its exact cost', () => {
    expect(whole({ type: 'start', id: 'chatcmpl-1', model: 'theirs' }, text(' upon'), finish('stop'))).toBe(
      `{"id":"${OUR_ID}","object":"text_completion","created":1763630000,"model":"${MODEL}","choices":` +
        `[{"text":" upon","index":0,"logprobs":null,"finish_reason":"stop"}],${BILLED_USAGE}}`,
    );
  });

  it('has a refusal as its text, and nothing of thinking, images and calls', () => {
    const others: AnswerEvent[] = [
      { type: 'thinking', choice: 0, text: 'hm' },
      { type: 'image', choice: 0, mime: 'image/png', data: 'QUJD' },
      { type: 'toolStart', choice: 0, call: 0, id: null, name: 'f' },
      { type: 'toolEnd', choice: 0, call: 0 },
    ];
    const events = [...others, refusal, finish('tool_calls')];
    expect(JSON.parse(whole(...events))).toMatchObject({ choices: [{ text: 'No.', finish_reason: 'stop' }] });
    expect(stream(false, ...events).pieces.slice(0, 4)).toEqual(['', '', '', '']);
    expect(stream(false, refusal, finish('refusal')).ending).toContain('"finish_reason":"stop"');
    expect(stream(false, finish('refusal')).ending).toContain('"finish_reason":"content_filter"');
  });

  it('streams several choices, and usage for a client that wants it', () => {
    const { pieces, ending } = stream(true, text('a'), text('b', 1), text(''), finish('length', 1));
    expect(pieces.map((piece) => piece.includes('"usage":null'))).toEqual([true, true, false, false]);
    expect(ending).toContain('[{"text":"","index":1,"logprobs":null,"finish_reason":"length"}],"usage":null}');
    expect(ending.endsWith(`"choices":[],${BILLED_USAGE}}\n\n${DONE}`)).toBe(true);
  });

  it('has an end also when nothing was said', () => {
    expect(stream(false).ending).toContain('[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]');
  });
});
