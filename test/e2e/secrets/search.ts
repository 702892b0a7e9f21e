import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';

/** What must stand nowhere, by a name that may be printed. */
export type Canaries = Readonly<Record<string, string>>;

interface Spelling {
  readonly canary: string;
  readonly bytes: Buffer;
}

/** Keeps two values from looking like one. */
const SEPARATOR = Buffer.alloc(1);

/** Finds canaries in bytes, in any spelling in which careless code might have written them. */
export class CanarySearch {
  readonly #spellings: readonly Spelling[];

  constructor(canaries: Canaries) {
    this.#spellings = Object.entries(canaries).flatMap(([canary, secret]) =>
      spellings(secret).map((bytes) => ({ canary, bytes })),
    );
  }

  /** The names of all canaries that stand in the bytes or the text. */
  in(haystack: Buffer | string): string[] {
    const bytes = typeof haystack === 'string' ? Buffer.from(haystack) : haystack;
    return [
      ...new Set(this.#spellings.filter((spelling) => bytes.includes(spelling.bytes)).map(({ canary }) => canary)),
    ];
  }

  /** Every row of every table of every schema, Postgres' own included; `bytea` is searched as the bytes that it holds. */
  async inTables(pool: pg.Pool): Promise<{ readonly tables: number; readonly found: string[] }> {
    const { rows: tables } = await pool.query<{ schema: string; name: string; columns: string[]; bytea: string[] }>(
      `SELECT n.nspname AS schema, c.relname AS name, array_agg(a.attname::text) AS columns,
         coalesce(array_agg(a.attname::text) FILTER (WHERE a.atttypid = 'bytea'::regtype), '{}') AS bytea
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
       WHERE c.relkind IN ('r', 'p', 'm') OR c.oid = 'pg_stat_activity'::regclass
       GROUP BY 1, 2`,
    );
    const found: string[] = [];
    for (const { schema, name, columns, bytea } of tables) {
      const wanted = [...columns.map((column) => `${quoted(column)}::text`), ...bytea.map(quoted)];
      const { rows } = await pool.query<(string | Buffer | null)[]>({
        text: `SELECT ${wanted.join(', ')} FROM ${quoted(schema)}.${quoted(name)}`,
        rowMode: 'array',
      });
      const values = rows.flat().filter((value) => value !== null);
      const everything = Buffer.concat(values.flatMap((value) => [Buffer.from(value), SEPARATOR]));
      found.push(...this.in(everything).map((canary) => `${canary} in ${schema}.${name}`));
    }
    return { tables: tables.length, found };
  }

  /** Every file below a directory but those named. */
  async inFiles(
    directory: string,
    except: readonly string[] = [],
  ): Promise<{ readonly files: number; readonly found: string[] }> {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
      .filter((file) => !except.includes(file));
    const found: string[] = [];
    for (const file of files) {
      const names = this.in(await readFile(path.join(directory, file)));
      found.push(...names.map((canary) => `${canary} in ${file}`));
    }
    return { files: files.length, found };
  }
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

/** A secret as itself, escaped once and twice, percent-encoded, in hexadecimal, as UTF-16, and inside Base64 at each of its three offsets. */
function spellings(secret: string): Buffer[] {
  const bytes = Buffer.from(secret);
  const texts = [
    secret,
    inJson(secret),
    inJson(inJson(secret)),
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...[0, 1, 2].flatMap((offset) => {
      const inside = base64Core(bytes, offset);
      return [inside, inside.replaceAll('+', '-').replaceAll('/', '_')];
    }),
  ];
  return [...[...new Set(texts)].map((text) => Buffer.from(text)), Buffer.from(secret, 'utf16le')];
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** The part of the Base64 of something that depends on these bytes alone, when they begin `offset` bytes after a multiple of three. */
function base64Core(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replace(/=+$/, '');
  const wholeBytes = Math.floor((offset + bytes.length) / 3) * 4;
  return encoded.slice(Math.ceil((offset * 4) / 3), wholeBytes);
}
