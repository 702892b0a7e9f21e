import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSecrets } from '../../../infra/config/secrets.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'tallystick-secrets-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const FROM_OUTSIDE = { MASTER_KEY: 'ab'.repeat(32), JWT_SECRET: 'x'.repeat(40) };

/** The secrets for a data directory below the test's own. */
function load(name: string, given: Partial<typeof FROM_OUTSIDE> = {}) {
  const { MASTER_KEY, JWT_SECRET } = given;
  return loadSecrets({ DATA_DIR: path.join(directory, name), MASTER_KEY, JWT_SECRET });
}

describe('The secrets of an installation', () => {
  it('are made once, long and different, and kept for their owner alone', async () => {
    const made = load('data');
    expect(made.masterKey).toMatch(/^[0-9a-f]{64}$/);
    expect(made.jwtSecret.length).toBeGreaterThanOrEqual(64);
    expect(made.jwtSecret).not.toBe(made.masterKey);
    expect(load('data')).toEqual(made);
    expect(load('other')).not.toEqual(made);
    expect((await stat(path.join(directory, 'data/secrets.json'))).mode & 0o777).toBe(0o600);
  });

  it('come from the environment where it has them, and leave no file when it has all', async () => {
    expect(load('data', FROM_OUTSIDE)).toEqual({
      masterKey: FROM_OUTSIDE.MASTER_KEY,
      jwtSecret: FROM_OUTSIDE.JWT_SECRET,
    });
    await expect(stat(path.join(directory, 'data'))).rejects.toThrow('ENOENT');
  });

  it('come from both places, one by one', () => {
    const kept = load('data');
    expect(load('data', { JWT_SECRET: FROM_OUTSIDE.JWT_SECRET })).toEqual({
      masterKey: kept.masterKey,
      jwtSecret: FROM_OUTSIDE.JWT_SECRET,
    });
    expect(load('data', { MASTER_KEY: FROM_OUTSIDE.MASTER_KEY })).toEqual({
      masterKey: FROM_OUTSIDE.MASTER_KEY,
      jwtSecret: kept.jwtSecret,
    });
  });

  it.each(['', '{}', 'not json', '{"masterKey":"short","jwtSecret":"short"}', 'null'])(
    'are not replaced when their file holds %j: what was sealed with them would be lost',
    async (content) => {
      load('data');
      const file = path.join(directory, 'data/secrets.json');
      await writeFile(file, content);
      expect(() => load('data')).toThrow();
      expect(await readFile(file, 'utf8')).toBe(content);
    },
  );
});
