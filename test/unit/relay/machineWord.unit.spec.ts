import { describe, expect, it } from 'vitest';
import { machineWord } from '../../../services/relay/machineWord.ts';

describe('What an upstream calls a finish reason or a request id', () => {
  it.each(['stop', 'MAX_TOKENS', 'content_filter', 'req_01H-x.y:z/7', 'a'.repeat(64)])(
    'is kept when it is a word: %s',
    (word) => {
      expect(machineWord(word, 64)).toBe(word);
    },
  );

  it.each([
    '',
    'two words',
    'a'.repeat(65),
    'line\n',
    '\0stop',
    '\ud800',
    'naïve',
    '你好',
    null,
    undefined,
    7,
    ['stop'],
  ])('is not kept when it may be anything: %j', (text) => {
    expect(machineWord(text, 64)).toBeNull();
  });
});
