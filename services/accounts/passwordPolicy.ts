/** Code points. 15 is the floor of NIST SP 800-63B-4 for a password that stands alone; 256 bounds the work of hashing. */
export const MIN_PASSWORD_LENGTH = 15;
export const MAX_PASSWORD_LENGTH = 256;

/** Common passwords of at least 15 characters, and what people make of a rule of 15. Compared without case and blanks. */
const COMMON: ReadonlySet<string> = new Set(
  `
  !qaz2wsx#edc4rfv 0123456789012345 1234567890123456 1234567890qwerty 123456789qwertyuiop 123qweasdzxc123qweasdzxc
  1q2w3e4r5t6y7u8i 1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv 1qaz2wsx3edc4rfv5tgb 5201314520131452 a1b2c3d4e5f6g7h8
  aa123456789123456 abc123abc123abc123 abcd1234abcd1234 abcdefg12345678 abcdefgh12345678 abcdefghijklmno
  abcdefghijklmnop abcdefghijklmnopqrstuvwxyz adminadminadmin adminadminadmin123 administrator123 administrator1234
  administratorpassword asdfghjkl123456789 asdfghjklqwertyuiop baseballbaseball changeme123456789 changemechangeme
  correcthorsebatterystaple defaultpassword defaultpassword123 dragondragondragon footballfootball ihatepasswords123
  iloveyou123456789 iloveyouforever iloveyouiloveyou iloveyousomuch123 letmeinletmeinletmein liverpoolfc12345
  manchesterunited monkeymonkeymonkey mypasswordispassword nevergonnagiveyouup passw0rdpassw0rd password1234567
  password12345678 password123456789 password1234567890 password123password123 passwordpassword pleasechangeme123
  princessprincess q1w2e3r4t5y6u7i8 qazwsxedcrfvtgb qazwsxedcrfvtgbyhnujm qq123456qq123456 qwerty123456789
  qwerty1234567890 qwertyuiop123456 qwertyuiop1234567890 qwertyuiopasdfg qwertyuiopasdfgh qwertyuiopasdfghjkl
  qwertyuiopasdfghjklzxcvbnm rootrootrootroot secretpassword123 sunshinesunshine superman12345678 supersecretpassword
  tallystickpassword tallysticktallystick temporarypassword temporarypassword1 testpassword123 testpassword1234
  testtesttesttest thisisapassword thisismypassword thisismypassword1 thisisnotapassword trustno1trustno1
  welcome123456789 welcomewelcome1 woaini1314woaini1314 woainiwoainiwoaini zxcvbnmasdfghjkl
  zxcvbnmasdfghjklqwertyuiop
  `
    .trim()
    .split(/\s+/),
);

export type PasswordProblem = 'too_short' | 'too_long' | 'not_text' | 'too_common' | 'is_email';

/** The form in which a password is measured, hashed and checked: the same characters, however they were typed. */
export function normalisePassword(password: string): string {
  return password.normalize('NFKC');
}

/** What is wrong with a new password, or null. Any characters do; only length and being easy to guess count. */
export function passwordProblem(password: string, email: string): PasswordProblem | null {
  if (!password.isWellFormed()) return 'not_text';
  const folded = normalisePassword(password).toLowerCase();
  const length = Array.from(folded).length;
  if (length < MIN_PASSWORD_LENGTH) return 'too_short';
  if (length > MAX_PASSWORD_LENGTH) return 'too_long';
  if (COMMON.has(folded.replaceAll(' ', '')) || isRepetition(folded) || isSequence(folded)) return 'too_common';
  const address = email.toLowerCase();
  return folded === address || folded === address.slice(0, address.lastIndexOf('@')) ? 'is_email' : null;
}

/** `aaaa…`, `121212…`, `abcdabcd…`: a unit of at most four characters, over and over. */
function isRepetition(text: string): boolean {
  return [1, 2, 3, 4].some((unit) => text.slice(unit) === text.slice(0, -unit));
}

/** `123456…` and `abcdef…`, up or down; after 9 comes 0. */
function isSequence(text: string): boolean {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  return [1, -1].some((step) =>
    codes.every((code, at) => {
      const previous = codes[at - 1];
      if (previous === undefined) return true;
      const next = previous + step;
      return code === (next === 58 ? 48 : next === 47 ? 57 : next);
    }),
  );
}
