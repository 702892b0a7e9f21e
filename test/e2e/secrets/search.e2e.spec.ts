import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { CanarySearch } from './search.ts';

/** Ways in which a secret may have been written; each must be found. */
const WRITINGS: Readonly<Record<string, (secret: string) => string>> = {
  'as it is': (secret) => `before ${secret} after`,
  'in JSON': (secret) => JSON.stringify({ a: { b: secret } }),
  'percent-encoded': (secret) => `?key=${encodeURIComponent(secret)}&x=1`,
  'in hexadecimal': (secret) => Buffer.from(secret).toString('hex'),
  'in capital hexadecimal': (secret) => Buffer.from(secret).toString('hex').toUpperCase(),
  'in Base64': (secret) => Buffer.from(secret).toString('base64'),
  'in Base64, one byte in': (secret) => Buffer.from(`x${secret}yz`).toString('base64'),
  'in Base64, two bytes in': (secret) => Buffer.from(`xx${secret}y`).toString('base64'),
  'in Base64 for URLs': (secret) => Buffer.from(`user:${secret}`).toString('base64url'),
};
const WAYS = Object.keys(WRITINGS);

/** A secret of its own for each way, with characters that every encoding changes, and one that is written nowhere. */
const secretOf = (way: string, place: string) => `planted "${way}" in ${place} \\ ünïcode / 12345`;
const planted = (place: string) => Object.fromEntries(WAYS.map((way) => [way, secretOf(way, place)]));
const written = (way: string, place: string) => WRITINGS[way]?.(secretOf(way, place)) ?? '';

describe('the search for secrets', () => {
  let database: TestDatabase;
  let directory: string;

  beforeAll(async () => {
    database = await testDatabase();
    directory = await mkdtemp(path.join(tmpdir(), 'tallystick-planted-'));
  });
  afterAll(async () => {
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });

  it.each(WAYS)('finds one in a text, written %s, and no other', (way) => {
    expect(new CanarySearch(planted('a text')).in(written(way, 'a text'))).toEqual([way]);
  });

  it('finds one as UTF-16, and none where there is none', () => {
    const search = new CanarySearch({ secret: 'a secret' });
    expect(search.in(Buffer.from('not a secret', 'utf16le'))).toEqual(['secret']);
    expect(search.in('nothing to see')).toEqual([]);
  });

  it.each(['text', 'bytea', 'jsonb'])(
    'finds those in a table of any schema, in a column of %s, however written',
    async (type) => {
      const { pool } = database;
      await pool.query('CREATE SCHEMA "Odd ""schema"; CREATE TABLE "Odd ""schema"."Odd ""table" (id int)');
      await pool.query(`ALTER TABLE "Odd ""schema"."Odd ""table" ADD COLUMN "odd ""column" ${type}`);
      for (const way of WAYS) {
        const text = written(way, type);
        const value = { text, bytea: Buffer.from(text), jsonb: JSON.stringify({ note: text }) }[type];
        await pool.query('INSERT INTO "Odd ""schema"."Odd ""table" VALUES (1, $1)', [value]);
      }
      const { found, tables } = await new CanarySearch({ ...planted(type), absent: 'written nowhere' }).inTables(pool);
      await pool.query('DROP SCHEMA "Odd ""schema" CASCADE');
      const expected = WAYS.map((way) => `${way} in Odd "schema.Odd "table`);
      expect(found.filter((place) => place.endsWith('Odd "table')).sort()).toEqual(expected.sort());
      expect(tables).toBeGreaterThan(60);
    },
  );

  it.each(WAYS)('finds one in a file deep down, written %s', async (way) => {
    await mkdir(path.join(directory, 'a/b'), { recursive: true });
    const bytes = Buffer.concat([Buffer.from([0, 255]), Buffer.from(written(way, 'a file'))]);
    await writeFile(path.join(directory, 'a/b/c.bin'), bytes);
    const search = new CanarySearch(planted('a file'));
    expect(await search.inFiles(directory)).toEqual({ files: 1, found: [`${way} in a/b/c.bin`] });
    expect(await search.inFiles(directory, ['a/b/c.bin'])).toEqual({ files: 0, found: [] });
  });
});
