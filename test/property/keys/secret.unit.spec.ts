import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mintSecret, parseSecret } from '../../../services/keys/secret.ts';

const BASE62 = Array.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');
const mode = fc.constantFrom('live' as const, 'test' as const);
const bytes = fc.uint8Array({ minLength: 256, maxLength: 256 });

const minted = fc
  .record({ mode, bytes })
  .filter(({ bytes: drawn }) => drawn.filter((byte) => byte < 248).length >= 32)
  .map((drawn) => ({ mode: drawn.mode, ...mintSecret(drawn.mode, { bytes: () => Buffer.from(drawn.bytes) }) }));

describe('a secret', () => {
  it('is recognised, with its mode and hash', () => {
    fc.assert(
      fc.property(minted, ({ secret, secretHash, mode: made, prefix, last4 }) => {
        expect(secret).toMatch(/^tly_(live|test)_[0-9A-Za-z]{38}$/);
        expect(parseSecret(secret)).toEqual({ mode: made, hash: secretHash });
        expect(secret.startsWith(prefix) && secret.endsWith(last4)).toBe(true);
      }),
    );
  });

  it('is refused when any one character is another', () => {
    fc.assert(
      fc.property(minted, fc.nat(46), fc.constantFrom(...BASE62, '_', ' ', '\u0000'), ({ secret }, at, other) => {
        fc.pre(secret[at] !== other);
        expect(parseSecret(secret.slice(0, at) + other + secret.slice(at + 1))).toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused when two neighbours are swapped', () => {
    fc.assert(
      fc.property(minted, fc.nat(45), ({ secret }, at) => {
        const [one, other] = [secret.charAt(at), secret.charAt(at + 1)];
        fc.pre(one !== other);
        expect(parseSecret(secret.slice(0, at) + other + one + secret.slice(at + 2))).toBeNull();
      }),
    );
  });

  it('is refused when anything is added or cut off', () => {
    fc.assert(
      fc.property(minted, fc.string({ minLength: 1, maxLength: 5 }), fc.nat(46), ({ secret }, more, length) => {
        expect(parseSecret(secret + more)).toBeNull();
        expect(parseSecret(more + secret)).toBeNull();
        expect(parseSecret(secret.slice(0, length))).toBeNull();
      }),
    );
  });

  it('is not any text that was not minted', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => parseSecret(text) === null));
  });
});
