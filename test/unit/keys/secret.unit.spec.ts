import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { mintSecret, parseSecret } from '../../../services/keys/secret.ts';

const zeros = { bytes: (length: number) => Buffer.alloc(length) };

describe('mintSecret', () => {
  it('makes a tag, 32 characters and the CRC32 of both, as computed elsewhere', () => {
    expect(mintSecret('live', zeros)).toEqual({
      secret: 'tly_live_000000000000000000000000000000002rVYK6',
      secretHash: 'a9c5d550891a0a6a57ad9964601263c86e7dba26704ccf52934046d75625bee3',
      prefix: 'tly_live_0000',
      last4: 'VYK6',
    });
    expect(mintSecret('test', zeros).secret).toBe('tly_test_000000000000000000000000000000000o0vnP');
  });

  it('skips bytes that would make some characters likelier than others', () => {
    const batches = [Buffer.alloc(32, 248), Buffer.alloc(32, 255), Buffer.alloc(32, 247)];
    const random = { bytes: () => batches.shift() ?? Buffer.alloc(0) };
    expect(mintSecret('live', random).secret.slice(9, 41)).toBe('z'.repeat(32));
    expect(batches).toEqual([]);
  });
});

describe('parseSecret', () => {
  const { secret } = mintSecret('live', zeros);

  it('gives mode and SHA-256 of a well-formed secret', () => {
    const expected = createHash('sha256').update(secret).digest('hex');
    expect(parseSecret(secret)).toEqual({ mode: 'live', hash: expected });
    expect(parseSecret(mintSecret('test', zeros).secret)?.mode).toBe('test');
  });

  it.each([
    ['nothing', ''],
    ['white space before', ` ${secret}`],
    ['white space after', `${secret} `],
    ['a newline instead of the last character', `${secret.slice(0, -1)}\n`],
    ['the other mode’s tag', secret.replace('live', 'test')],
    ['an upper-case tag', secret.replace('tly', 'TLY')],
    ['a key of somebody else', 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789'],
    ['a JWT', 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl'],
    ['SQL', `${secret.slice(0, 20)}' OR '1'='1' --aaaaaaaaa`],
    ['characters beyond base62', `${secret.slice(0, -1)}é`],
  ])('refuses %s', (_name, text) => {
    expect(parseSecret(text)).toBeNull();
  });
});
