import { describe, expect, it } from 'vitest';
import { isStorable, storableText } from '../../../services/storableText.ts';

describe('A text that can be stored', () => {
  it.each(['', 'file-1', 'grüße 金丝雀', '😀', '\ufffd\uffff', 'a\n\u0001'])('may be %j', (text) => {
    expect(isStorable(text)).toBe(true);
    expect(storableText.parse(text)).toBe(text);
  });

  it.each(['\0', 'a\0b', '\ud800', 'a\udc00', '\ude00\ud83d'])('is not %j', (text) => {
    expect(isStorable(text)).toBe(false);
    expect(storableText.safeParse(text).error?.issues[0]?.message).toBe('must be whole characters without NUL');
  });
});
