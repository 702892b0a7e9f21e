import { describe, expect, it } from 'vitest';
import { passwordProblem, type PasswordProblem } from '../../../services/accounts/passwordPolicy.ts';

const EMAIL = 'ada.lovelace.1815@example.com';

describe('a new password', () => {
  it.each([
    ['fifteen letters', 'correcthorsebat'],
    ['words and blanks', 'a quiet engine hums'],
    ['one kind of character only', 'zyxpqwmnvrtklhj'],
    ['Chinese', '我每天早上都喝一杯很苦的黑咖啡'],
    ['emoji', '🐴🔋🧷🎻🌋🍣🧊🛶🪁🧭🎲🪴🦉🍩🧵'],
    ['256 characters', `${'many words '.repeat(23)}end`],
    ['a blank at the end', 'trailing blank. '],
  ])('may be %s', (_name, password) => {
    expect(passwordProblem(password, EMAIL)).toBeNull();
  });

  it.each<[string, string, PasswordProblem]>([
    ['fourteen characters', 'correcthorseba', 'too_short'],
    ['fourteen emoji, though they are 28 units', '🐴🔋🧷🎻🌋🍣🧊🛶🪁🧭🎲🪴🦉🍩', 'too_short'],
    ['fifteen only before it is normalised', 'e\u0301'.repeat(2) + 'abcdefghijkl', 'too_short'],
    ['257 characters', `${'many words '.repeat(23)}ends`, 'too_long'],
    ['half of a character', 'a quiet engine \ud83d', 'not_text'],
    ['on the list', 'passwordpassword', 'too_common'],
    ['on the list in another case', 'PassWordPassWord', 'too_common'],
    ['on the list with blanks', 'Correct Horse Battery Staple', 'too_common'],
    ['on the list in full-width letters', 'ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ', 'too_common'],
    ['one character again and again', 'x'.repeat(20), 'too_common'],
    ['three characters again and again', 'abz'.repeat(6) + 'ab', 'too_common'],
    ['digits in order', '123456789012345', 'too_common'],
    ['digits in reverse order', '987654321098765', 'too_common'],
    ['letters in order', 'efghijklmnopqrstu', 'too_common'],
    ['the e-mail address', EMAIL.toUpperCase(), 'is_email'],
    ['its local part', 'ada.lovelace.1815', 'is_email'],
  ])('must not be %s', (_name, password, problem) => {
    expect(passwordProblem(password, EMAIL)).toBe(problem);
  });
});
