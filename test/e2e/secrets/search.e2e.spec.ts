import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { CanarySearch } from './search.ts';

const SECRET = 'planted "secret" with ünïcode / 1234567890';
const search = new CanarySearch({ planted: SECRET });

/** Ways in which the secret may have been written; each must be found. */
const WRITTEN: readonly (readonly [string, (secret: string) => string])[] = [
  ['as it is', (secret) => `before ${secret} after`],
  ['in JSON', (secret) => JSON.stringify({ a: { b: secret } })],
  ['percent-encoded', (secret) => `?key=${encodeURIComponent(secret)}&x=1`],
  ['in hexadecimal', (secret) => Buffer.from(secret).toString('hex')],
  ['in capital hexadecimal', (secret) => Buffer.from(secret).toString('hex').toUpperCase()],
  ['in Base64', (secret) => Buffer.from(secret).toString('base64')],
  ['in Base64, one byte in', (secret) => Buffer.from(`x${secret}yz`).toString('base64')],
  ['in Base64, two bytes in', (secret) => Buffer.from(`xx${secret}y`).toString('base64')],
  ['in Base64 for URLs', (secret) => Buffer.from(`user:${secret}`).toString('base64url')],
];

describe('the search for secrets finds one that is there', () => {
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

  it.each(WRITTEN)('in a text, written %s', (_how, write) => {
    expect(search.in(write(SECRET))).toEqual(['planted']);
    expect(search.in(write('another secret of the same length...........'))).toEqual([]);
  });

  it.each(WRITTEN)('in a table of any schema, as text, JSON or bytes, written %s', async (_how, write) => {
    const { pool } = database;
    for (const type of ['text', 'bytea', 'jsonb']) {
      await pool.query('CREATE SCHEMA "Odd ""schema"; CREATE TABLE "Odd ""schema"."Odd ""table" (id int)');
      await pool.query(`ALTER TABLE "Odd ""schema"."Odd ""table" ADD COLUMN "odd ""column" ${type}`);
      const value = write(SECRET);
      const planted = { text: value, bytea: Buffer.from(value), jsonb: JSON.stringify({ note: value }) }[type];
      await pool.query('INSERT INTO "Odd ""schema"."Odd ""table" VALUES (1, $1)', [planted]);
      const { found, tables } = await search.inTables(pool);
      await pool.query('DROP SCHEMA "Odd ""schema" CASCADE');
      expect(found.filter((place) => place.endsWith('Odd "table'))).toEqual(['planted in Odd "schema.Odd "table']);
      expect(tables).toBeGreaterThan(60);
    }
  });

  it.each(WRITTEN)('in a file deep down, written %s', async (_how, write) => {
    await mkdir(path.join(directory, 'a/b'), { recursive: true });
    await writeFile(
      path.join(directory, 'a/b/c.bin'),
      Buffer.concat([Buffer.from([0, 255]), Buffer.from(write(SECRET))]),
    );
    expect((await search.inFiles(directory)).found).toEqual(['planted in a/b/c.bin']);
    expect(await search.inFiles(directory, ['a/b/c.bin'])).toEqual({ files: 0, found: [] });
  });

  it('as UTF-16', () => {
    expect(search.in(Buffer.from(`x${SECRET}`, 'utf16le'))).toEqual(['planted']);
  });
});
