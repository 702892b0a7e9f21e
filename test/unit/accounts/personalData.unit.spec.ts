import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { SealBroken } from '../../../infra/crypto/aesGcm.ts';
import { createEmailIndex } from '../../../infra/crypto/emailIndex.ts';
import { deriveKeys } from '../../../infra/crypto/masterKey.ts';
import { memorySubjectKeys } from '../../../infra/crypto/memorySubjectKeys.ts';
import { createPersonalData } from '../../../infra/crypto/personalData.ts';

const wrapKey = randomBytes(32);
let keys: ReturnType<typeof memorySubjectKeys>;
let data: ReturnType<typeof createPersonalData>;

beforeEach(() => {
  keys = memorySubjectKeys();
  data = createPersonalData(wrapKey, keys);
});

describe('personal data', () => {
  it('opens to what was sealed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 300 }), async (text) => {
        const sealed = await data.seal('user_1', 'profile', text);
        expect(sealed).toMatch(/^v1\.[\w-]{16}\.[\w-]*\.[\w-]{22}$/);
        expect(await data.open('user_1', 'profile', sealed)).toBe(text);
      }),
      { numRuns: 50 },
    );
  });

  it('seals the same text differently each time', async () => {
    const sealed = [await data.seal('user_1', 'profile', 'Ada'), await data.seal('user_1', 'profile', 'Ada')];
    expect(sealed[0]).not.toBe(sealed[1]);
  });

  it('is gone when the subject’s key is destroyed, and others’ is not', async () => {
    const sealed = await data.seal('user_1', 'profile', 'Ada');
    const other = await data.seal('user_2', 'profile', 'Grace');
    expect(await data.destroy('user_1')).toBe(true);
    expect(await data.open('user_1', 'profile', sealed)).toBeNull();
    expect(await data.open('user_2', 'profile', other)).toBe('Grace');
    await data.seal('user_1', 'profile', 'Ada again');
    await expect(data.open('user_1', 'profile', sealed)).rejects.toBeInstanceOf(SealBroken);
  });

  it('does not open as another field or for another subject', async () => {
    const sealed = await data.seal('user_1', 'profile', 'Ada');
    await data.seal('user_2', 'profile', 'Grace');
    await expect(data.open('user_1', 'password', sealed)).rejects.toBeInstanceOf(SealBroken);
    await expect(data.open('user_2', 'profile', sealed)).rejects.toBeInstanceOf(SealBroken);
  });

  it('does not open with a subject key that was stored for another', async () => {
    const sealed = await data.seal('user_1', 'profile', 'Ada');
    const wrapped = (await keys.find('user_1')) ?? Buffer.alloc(0);
    const swapped = memorySubjectKeys();
    await swapped.obtain('user_2', wrapped);
    const attempt = createPersonalData(wrapKey, swapped).open('user_2', 'profile', sealed);
    await expect(attempt).rejects.toBeInstanceOf(SealBroken);
  });

  it('does not open with another master key', async () => {
    const sealed = await data.seal('user_1', 'profile', 'Ada');
    const attempt = createPersonalData(randomBytes(32), keys).open('user_1', 'profile', sealed);
    await expect(attempt).rejects.toBeInstanceOf(SealBroken);
  });

  it('does not open when any character of it is another', async () => {
    const sealed = await data.seal('user_1', 'profile', 'Ada Lovelace');
    const [version = '', nonce = '', ciphertext = '', tag = ''] = sealed.split('.');
    const flip = (text: string) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
    const broken = [
      [flip(version), nonce, ciphertext, tag],
      [version, flip(nonce), ciphertext, tag],
      [version, nonce, flip(ciphertext), tag],
      [version, nonce, ciphertext, flip(tag)],
      [version, nonce, ciphertext, tag.slice(0, 6)],
      [version, nonce, ciphertext],
      [version, nonce, ciphertext, tag, tag],
    ];
    for (const parts of broken) {
      await expect(data.open('user_1', 'profile', parts.join('.'))).rejects.toBeInstanceOf(SealBroken);
    }
  });

  it('of nobody is nothing', async () => {
    expect(await data.open('user_1', 'profile', null)).toBeNull();
  });
});

describe('the master key', () => {
  it('must be 32 bytes', () => {
    for (const length of [0, 16, 31, 33]) expect(() => deriveKeys(Buffer.alloc(length))).toThrow(RangeError);
  });

  it('gives each purpose a key of its own, the same ones for ever', () => {
    const derived = deriveKeys(Buffer.alloc(32, 7));
    expect(derived.subjectKeyWrap.toString('hex')).toBe(
      '7a787475d9d6a26fb457b457115ee581a382e8dfd1f43b752317ff8ffa031fab',
    );
    expect(derived.emailIndex.toString('hex')).toBe('6ad2098ec3b7ae654dce9f64189553367e18eeecbc810c1b701ff51b38b7d971');
  });
});

describe('the e-mail index', () => {
  const index = createEmailIndex(randomBytes(32));

  it('is the same for one mailbox, however it is written', () => {
    expect(index.of('ADA@Example.com')).toBe(index.of('ada@example.com'));
    expect(index.of('ada@example.com')).toMatch(/^[0-9a-f]{64}$/);
    expect(index.of('ada@example.org')).not.toBe(index.of('ada@example.com'));
  });

  it('means nothing without its key', () => {
    expect(createEmailIndex(randomBytes(32)).of('ada@example.com')).not.toBe(index.of('ada@example.com'));
  });
});
