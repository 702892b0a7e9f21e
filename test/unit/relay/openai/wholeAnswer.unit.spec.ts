import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import { openaiProtocol } from '../../../../services/relay/dialects/openai/upstream.ts';
import type { ChannelQuirks } from '../../../../services/relay/ports.ts';
import { channel } from './canonicalFixtures.ts';

function read(text: string, quirks: Partial<ChannelQuirks> = {}): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  openaiProtocol.whole(text, (event) => events.push(event), channel(quirks));
  return events;
}

function answer(message: object, more: object = {}): string {
  const choices = [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop' }];
  return JSON.stringify({ id: 'chatcmpl-1', model: 'm', choices, ...more });
}

const START: AnswerEvent = { type: 'start', id: 'chatcmpl-1', model: 'm' };
const END: AnswerEvent = { type: 'end' };

describe('A whole answer from upstream', () => {
  it('becomes the events of a stream', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
    expect(read(answer({ content: 'hi', reasoning_content: 'hm' }, { usage }))).toEqual([
      START,
      { type: 'thinking', choice: 0, text: 'hm' },
      { type: 'text', choice: 0, text: 'hi' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
      { type: 'usage', usage: { input: { uncachedInput: 9 }, output: { outputText: 3 } } },
      END,
    ]);
  });

  it('may begin with blank lines', () => {
    expect(read(`\n\n  ${answer({ content: 'hi' })}\n`)).toHaveLength(4);
  });

  it('has each entry as a call of its own, whatever its id and number', () => {
    const call = { id: 'a', index: 0, type: 'function', function: { name: 'f', arguments: '' } };
    expect(read(answer({ content: null, tool_calls: [call, call] }))).toEqual([
      START,
      { type: 'toolStart', choice: 0, call: 0, id: 'a', name: 'f' },
      { type: 'toolEnd', choice: 0, call: 0 },
      { type: 'toolStart', choice: 0, call: 1, id: 'a', name: 'f' },
      { type: 'toolEnd', choice: 0, call: 1 },
      { type: 'finish', choice: 0, reason: 'tool_calls', stopSequence: null },
      END,
    ]);
  });

  it('may have several choices, without numbers and finish reasons', () => {
    const choices = ['a', 'b'].map((content) => ({ message: { content } }));
    const texts = read(answer({}, { choices })).filter(({ type }) => type === 'text');
    expect(texts).toEqual([
      { type: 'text', choice: 0, text: 'a' },
      { type: 'text', choice: 1, text: 'b' },
    ]);
  });

  it('may have no choice at all', () => {
    expect(read(answer({}, { choices: [] }))).toEqual([START, END]);
  });

  it('has its usage where the channel has it', () => {
    const x_groq = { usage: { prompt_tokens: 1, completion_tokens: 2 } };
    expect(read(answer({ content: 'hi' }, { x_groq }), { usagePath: 'x_groq.usage' }).at(-2)).toEqual({
      type: 'usage',
      usage: { input: { uncachedInput: 1 }, output: { outputText: 2 } },
    });
  });

  it.each([
    '<html>down</html>',
    '',
    '[]',
    '{"detail":"down"}',
    '{"error":{"message":"down"}}',
    '{"error":"down","choices":[]}',
    '{"choices":[],"base_resp":{"status_code":1008,"status_msg":"no balance"}}',
    '{"choices":null,"base_resp":{"status_code":1008}}',
    '{"choices":[null]}',
  ])('is none when it is %s', (text) => {
    expect(read(text)).toEqual([{ type: 'failed', error: text }]);
  });

  it('is none when a choice has an error, which is found where errors are looked for', () => {
    const error = { code: 429, message: 'down' };
    const text = JSON.stringify({ choices: [{ index: 0, error, finish_reason: 'error' }] });
    expect(read(text)).toEqual([{ type: 'failed', error: JSON.stringify({ error }) }]);
  });

  it('that is none is kept in part', () => {
    expect(read('x'.repeat(100_000))).toEqual([{ type: 'failed', error: 'x'.repeat(65_536) }]);
  });
});

describe('What a channel answers with', () => {
  it.each([
    ['text/event-stream; charset=utf-8', true],
    ['application/json', false],
    [undefined, false],
  ])('of the type %s is a stream: %s', (type, streams) => {
    expect(openaiProtocol.streams({ 'content-type': type })).toBe(streams);
  });
});
