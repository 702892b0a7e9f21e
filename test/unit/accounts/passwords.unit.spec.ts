import { parseOptions } from '@node-rs/argon2';
import { describe, expect, it } from 'vitest';
import { createPasswordHasher } from '../../../infra/crypto/passwords.ts';

const PASSWORD = 'a quiet engine hums 42';

describe('the password hasher', () => {
  it('makes salted Argon2id hashes that carry their cost', async () => {
    const hasher = await createPasswordHasher();
    const [one, other] = [await hasher.hash(PASSWORD), await hasher.hash(PASSWORD)];
    expect(one).not.toBe(other);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(parseOptions(one)).toMatchObject({ outputLen: 32, saltLen: 16 });
    expect(await hasher.verify(one, PASSWORD)).toBe(true);
    expect(await hasher.verify(one, `${PASSWORD} `)).toBe(false);
  });

  it('does the same work for an unknown user, and says no', async () => {
    const hasher = await createPasswordHasher();
    const stored = await hasher.hash(PASSWORD);
    const timed = async (hash: string | null) => {
      const start = performance.now();
      expect(await hasher.verify(hash, 'some other password')).toBe(false);
      return performance.now() - start;
    };
    // The fastest of five shows the work itself, however busy the machine is.
    const unknown: number[] = [];
    const known: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      unknown.push(await timed(null));
      known.push(await timed(stored));
    }
    const ratio = Math.min(...unknown) / Math.min(...known);
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  });

  it('refuses when too many wait, and serves the rest', async () => {
    const hasher = await createPasswordHasher({ concurrent: 1, waiting: 2 });
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => hasher.verify(null, PASSWORD)));
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 'refused'))).toEqual([
      false,
      false,
      false,
      'refused',
      'refused',
    ]);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'service_unavailable' });
    }
    expect(await hasher.verify(null, PASSWORD)).toBe(false);
  });

  it('frees its place when hashing fails', async () => {
    const hasher = await createPasswordHasher({ concurrent: 1, waiting: 0 });
    await expect(hasher.verify('not a hash', PASSWORD)).rejects.toThrow();
    expect(await hasher.verify(null, PASSWORD)).toBe(false);
  });
});
