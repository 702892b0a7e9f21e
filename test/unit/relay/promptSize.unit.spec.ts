import { describe, expect, it } from 'vitest';
import { promptInputBound, promptToCount } from '../../../services/relay/dialects/openai/promptSize.ts';
import { chatRequest } from './chatFixtures.ts';

const PHOTO = `data:image/png;base64,${'A'.repeat(4_000_000)}`;

const bound = (messages: readonly object[], more: object = {}) =>
  promptInputBound(chatRequest({ messages, ...more }).body).inputTokens;
const toCount = (messages: readonly object[], more: object = {}) =>
  promptToCount(chatRequest({ messages, ...more }).body);

describe('The size of a prompt', () => {
  it('is the bytes of its texts and an allowance for its template', () => {
    expect(bound([{ role: 'user', content: '你好' }])).toBe(64 + 8 + 6);
    expect(toCount([{ role: 'user', content: '你好' }])).toEqual({ texts: ['你好'], overhead: 6 });
  });

  it.each([
    ['an image', { type: 'image_url', image_url: { url: PHOTO, detail: 'high' } }, 6_000],
    // 3 000 017 bytes as 4 001 seconds.
    ['audio', { type: 'input_audio', input_audio: { data: PHOTO, format: 'wav' } }, 4_001 * 32],
    ['a file', { type: 'file', file: { file_data: PHOTO, filename: 'a.pdf' } }, 6_000],
  ])('counts %s as an attachment, never as text', (_name, part, tokens) => {
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'see:' }, part] }];
    expect(bound(messages)).toBe(64 + 8 + 4 + tokens);
    expect(toCount(messages)).toEqual({ texts: ['see:'], overhead: 3 + 3 + 800 });
  });

  it('counts the images of an earlier answer as attachments', () => {
    const messages = [
      { role: 'assistant', content: null, images: [{ type: 'image_url', image_url: { url: PHOTO } }] },
      { role: 'user', content: 'again' },
    ];
    expect(bound(messages)).toBe(64 + 16 + 5 + 6_000);
  });

  it('counts the text beside an image, and a part that is not known, as text', () => {
    const both = { type: 'image_url', text: 'hidden words', image_url: { url: PHOTO } };
    expect(bound([{ role: 'user', content: [both] }])).toBe(64 + 8 + 12 + 6_000);
    const thinking = { type: 'thinking', thinking: 'long thoughts' };
    expect(bound([{ role: 'assistant', content: [thinking] }])).toBe(64 + 8 + 13);
  });

  it('counts every text of a message, whatever the member', () => {
    const message = {
      role: 'assistant',
      content: 'abc',
      name: 'de',
      refusal: 'f',
      reasoning: 'gh',
      reasoning_details: [{ text: 'ij' }],
      tool_calls: [{ id: 'k' }],
    };
    const texts = toCount([message]).texts.join('|');
    expect(texts).toBe('de|f|gh|[{"text":"ij"}]|[{"id":"k"}]|abc');
    expect(bound([message])).toBe(64 + 8 + texts.length - 5);
  });

  it('counts tools and the shape of the answer', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const more = { tools, response_format: { type: 'json_object' } };
    const { texts, overhead } = toCount([{ role: 'user', content: '' }], more);
    expect(texts).toEqual(['', JSON.stringify(tools), '{"type":"json_object"}']);
    expect(overhead).toBe(3 + 2 * 3);
  });

  it('bounds what upstreams may put into the prompt, and leaves out what none does', () => {
    const plain = bound([{ role: 'user', content: 'hi' }]);
    const documents = [{ text: 'x'.repeat(1_000) }];
    expect(bound([{ role: 'user', content: 'hi' }], { documents })).toBe(plain + JSON.stringify(documents).length);
    expect(bound([{ role: 'user', content: 'hi' }], { metadata: { a: 'b' }, seed: 5, stream: true })).toBe(plain);
  });
});
