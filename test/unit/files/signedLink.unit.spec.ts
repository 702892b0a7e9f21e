import { describe, expect, it } from 'vitest';
import { deriveKeys } from '../../../infra/crypto/masterKey.ts';
import { isSigned, signedLink } from '../../../services/files/signedLink.ts';

const key = Buffer.alloc(32, 5);
const EXPIRES = 1_800_000_000;
const BEFORE = EXPIRES * 1_000 - 1;
const link = signedLink(key, 'https://relay.example/', 'file-1', EXPIRES);
const query = () => new URL(link).searchParams;

describe('The signed address of a file', () => {
  it('names the file, when it expires and the signature', () => {
    expect(link).toBe(
      'https://relay.example/files/file-1?expires=1800000000' +
        '&signature=4956256a72dd3d69923cfdabfd58b6f2d449143ec6e1c9d9c6ed9a51ac3991e7',
    );
  });

  it('is good until it expires', () => {
    expect(isSigned(key, 'file-1', query(), BEFORE)).toBe(true);
    expect(isSigned(key, 'file-1', query(), BEFORE + 1)).toBe(false);
  });

  it('is good for one file', () => {
    expect(isSigned(key, 'file-2', query(), BEFORE)).toBe(false);
  });

  it('cannot be prolonged', () => {
    const later = query();
    later.set('expires', '1900000000');
    expect(isSigned(key, 'file-1', later, BEFORE)).toBe(false);
  });

  it('is made with our key', () => {
    expect(isSigned(Buffer.alloc(32, 6), 'file-1', query(), BEFORE)).toBe(false);
  });

  it.each([
    ['expires', ''],
    ['expires', '1e99'],
    ['expires', '-1'],
    ['expires', '1800000000 '],
    ['signature', ''],
    ['signature', 'ff'],
    ['signature', 'g'.repeat(64)],
  ])('is refused with %s %j', (name, value) => {
    const changed = query();
    changed.set(name, value);
    expect(isSigned(key, 'file-1', changed, BEFORE)).toBe(false);
  });

  it('is refused without its parts', () => {
    expect(isSigned(key, 'file-1', new URLSearchParams(), BEFORE)).toBe(false);
  });
});

it('The key that signs addresses follows from the master key, the same one for ever', () => {
  expect(deriveKeys(Buffer.alloc(32, 7)).fileLinks.toString('hex')).toBe(
    'f8b4e028149047011c198216dbd0c689772b690512b428eea7e41a538ca88ca9',
  );
});
