import { describe, expect, it } from 'vitest';
import { ReceivedOutput } from '../../../services/relay/dialects/openai/receivedOutput.ts';

const received = (...chunks: readonly unknown[]) => {
  const output = new ReceivedOutput('reasoning_content');
  for (const choices of chunks) output.add(choices);
  return output;
};
const delta = (content: object) => [{ index: 0, delta: content }];

describe('What has been received of an answer', () => {
  it.each([
    ['text', { content: 'a b' }, 'a b'],
    ['a refusal', { refusal: 'no' }, 'no'],
    ['reasoning', { reasoning_content: 'hm' }, 'hm'],
    ['a list of parts', { content: [{ type: 'text', text: 'a' }, { thinking: [{ text: 'b' }] }, 'x', null] }, 'ab'],
    ['a tool call', { tool_calls: [{ function: { name: 'f', arguments: '{}' } }] }, 'f{}'],
    ['a function call', { function_call: { name: 'f', arguments: '{}' } }, 'f{}'],
    ['the words of audio', { audio: { id: 'a', data: 'AAAA', transcript: 'said' } }, 'said'],
    ['audio without words', { audio: { data: 'AAAA' } }, ''],
    ['an image', { images: [{ image_url: { url: 'data:image/png;base64,AAAA' } }] }, ''],
  ])('counts %s', (_name, content, text) => {
    const output = received(delta(content));
    expect(output.isEmpty).toBe(false);
    expect(output.toCount()).toEqual({ text, scale: 1, atLeast: 1 });
  });

  it.each([
    {},
    { role: 'assistant', content: '' },
    { content: null, refusal: null, tool_calls: null, function_call: null, audio: null },
    { content: '', tool_calls: [], images: [] },
    { content: 7, tool_calls: 'x', audio: 'y', images: {} },
    { tool_calls: [null, 3, { function: null }, { function: { name: 5 } }] },
    { thinking: 'a field of another provider' },
  ])('is nothing for the delta %j', (content) => {
    expect(received(delta(content)).isEmpty).toBe(true);
  });

  it.each([undefined, null, {}, 'choices', [null], [undefined, 4, 'x', []], [{ delta: 5 }]])(
    'is nothing for the choices %j',
    (choices) => {
      expect(received(choices).isEmpty).toBe(true);
    },
  );

  it('includes the message of a whole answer', () => {
    const output = received([{ index: 0, message: { content: 'whole' }, finish_reason: 'length' }]);
    expect(output.toCount().text).toBe('whole');
    expect(output.finishReason).toBe('length');
  });

  it('keeps the first 262 144 characters and extrapolates the rest', () => {
    const output = received(delta({ content: 'x'.repeat(200_000) }), delta({ content: 'y'.repeat(400_000) }));
    output.add(delta({ content: 'z' }));
    const { text, scale, atLeast } = output.toCount();
    expect(text).toBe('x'.repeat(200_000) + 'y'.repeat(62_144));
    expect(scale).toBe(600_001 / 262_144);
    expect(atLeast).toBe(3);
  });

  it('takes the text of a chunk alone, of which there may be many', () => {
    const output = received(delta({ content: '>' }));
    const texts = Array.from({ length: 200 }, (_, number) => `${String(number)} `);
    for (const text of [...texts, '']) output.addText(text);
    expect(output.toCount()).toEqual({ text: `>${texts.join('')}`, scale: 1, atLeast: 201 });
  });

  it('is finished when every choice that began has its reason', () => {
    const output = received([{ index: 0, delta: {} }], [{ index: 1, delta: {} }]);
    expect(output.finished).toBe(false);
    output.add([{ index: 1, finish_reason: 'stop' }]);
    expect(output.finished).toBe(false);
    output.add([{ finish_reason: 'length' }]);
    expect(output.finished).toBe(true);
    output.add([{ index: 1, delta: {}, finish_reason: null }]);
    expect(output.finished).toBe(true);
    expect(received().finished).toBe(false);
  });
});
