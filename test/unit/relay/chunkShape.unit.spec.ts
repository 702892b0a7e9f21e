import { describe, expect, it } from 'vitest';
import { shapeOf, type ChunkShape } from '../../../services/relay/dialects/openai/chunkShape.ts';
import type { ForwardRules } from '../../../services/relay/dialects/openai/forwardedChunk.ts';
import type { Json } from '../../../services/relay/wire/json.ts';
import { chunk, sse } from './chatFixtures.ts';

const PLAIN: ForwardRules = { usagePath: 'usage', renameTo: null, usageWanted: false };

const shaped = (text: string, rules = PLAIN) => shapeOf(JSON.parse(text) as Json, text, rules, 'reasoning_content');
const event = (...values: readonly unknown[]) => sse(...values).toString();
const saying = (content: string, more: object = {}) => ({ ...chunk({ delta: { content } }), ...more });

function shapeOfChunk(value: object, rules = PLAIN): ChunkShape {
  const shape = shaped(JSON.stringify(value), rules);
  if (shape === null) throw new Error('the chunk has no shape');
  return shape;
}

describe('The shape of a chunk', () => {
  it('reads an event that differs in its content only, anywhere in a text', () => {
    const shape = shapeOfChunk(saying('Hello'));
    const text = event('{}', saying(' world'), saying('!'));
    expect(shape.read(text, 0)).toBe(false);
    expect(shape.read(text, event('{}').length)).toBe(true);
    expect(shape.content).toBe(' world');
    expect(shape.unchanged).toBe(true);
    expect(shape.forwarded).toBe('');
    expect(shape.end).toBe(event('{}', saying(' world')).length);
    expect(shape.read(text, shape.end)).toBe(true);
    expect(shape.content).toBe('!');
    expect(shape.end).toBe(text.length);
  });

  it('hides the null usage of each event from a client that did not ask', () => {
    const shape = shapeOfChunk(saying('Hello', { usage: null }));
    expect(shape.read(event(saying('a\n"b"', { usage: null })), 0)).toBe(true);
    expect(shape.content).toBe('a\n"b"');
    expect(shape.forwarded).toBe(event(saying('a\n"b"')));
  });

  it('names the model as the client does, and leaves escapes, which could be spelled in two ways, to the parser', () => {
    const shape = shapeOfChunk(saying('Hello'), { ...PLAIN, renameTo: 'ours' });
    expect(shape.read(event(saying(' world')), 0)).toBe(true);
    expect(shape.forwarded).toBe(event(saying(' world', { model: 'ours' })));
    expect(shape.read(event(saying('a\nb')), 0)).toBe(false);
  });

  it('follows padding of any length', () => {
    const shape = shapeOfChunk(saying('Hello', { usage: null, obfuscation: 'x7' }));
    expect(shape.read(event(saying('a', { usage: null, obfuscation: 'x7abc' })), 0)).toBe(true);
    expect(shape.content).toBe('a');
    expect(shape.forwarded).toBe(event(saying('a', { obfuscation: 'x7abc' })));
    expect(shape.read(event(saying('a', { usage: null, obfuscation: '\n' })), 0)).toBe(false);
  });

  it('is found wherever content stands', () => {
    const call = (text: string) => chunk({ delta: { tool_calls: [{ index: 0, function: { arguments: text } }] } });
    const shape = shapeOfChunk(call('x'));
    expect(shape.read(event(call('{"y":')), 0)).toBe(true);
    expect(shape.content).toBe('{"y":');
  });
});

describe('A shape does not read', () => {
  const shape = shapeOfChunk(saying('Hello'));
  const text = event(saying('Hello'));

  it.each([
    ['another id', event(saying('Hello', { id: 'chatcmpl-2' }))],
    ['another member', event(saying('Hello', { error: { code: 1 } }))],
    ['a finish reason', event(chunk({ delta: { content: 'Hello' }, finish: 'stop' }))],
    ['content that is no string', event(chunk({ delta: { content: null } }))],
    ['a member behind the content', text.replace('Hello', 'a","refusal":"b')],
    ['a control character', text.replace('Hello', 'a\tb')],
    ['a line feed', text.replace('Hello', 'a\nb')],
    ['an escape that JSON does not know', text.replace('Hello', 'a\\xb')],
    ['an escape that is not whole', text.replace('Hello', '\\u12')],
    ['a string that does not end', text.slice(0, text.indexOf('Hello') + 5)],
    ['a string that ends in a backslash', `${text.slice(0, text.indexOf('Hello'))}\\`],
    ['an event without its blank line', text.slice(0, -1)],
  ])('%s', (_name, other) => {
    expect(shape.read(other, 0)).toBe(false);
  });
});

describe('A chunk has no shape', () => {
  it.each([
    ['when it carries nothing', saying('')],
    ['when it ends a choice', chunk({ delta: { content: 'a' }, finish: 'stop' })],
    ['when it states usage', saying('a', { usage: { prompt_tokens: 1 } })],
    ['when it carries media beside text', chunk({ delta: { content: 'a', images: [1] } })],
    ['when it carries two texts', chunk({ delta: { content: 'a', refusal: 'b' } })],
    ['when its content is found elsewhere', saying('a', { service_tier: 'a' })],
    ['when its padding is found elsewhere', saying('a', { obfuscation: 'b', service_tier: 'b' })],
    ['when its padding comes first', { obfuscation: 'b', ...saying('a') }],
    ['when its content has escapes', saying('a\n')],
    ['when it holds the mark of content', saying('a', { service_tier: '\u007f' })],
    ['when it holds the mark of padding', saying('a', { service_tier: '\u0080' })],
    ['when it is large', saying('a'.repeat(20_000))],
  ])('%s', (_name, value) => {
    expect(shaped(JSON.stringify(value))).toBeNull();
  });

  it('when it states usage at the place of its provider', () => {
    const text = JSON.stringify(saying('a', { x_groq: { usage: 'b' } }));
    expect(shaped(text, { ...PLAIN, usagePath: 'x_groq.usage' })).toBeNull();
  });

  it('when it came on several lines', () => {
    expect(shaped(JSON.stringify(saying('a')).replace(',', ',\n'))).toBeNull();
  });
});
