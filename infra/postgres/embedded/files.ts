import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Where an embedded Postgres keeps what it needs inside the data directory. */
export function embeddedFiles(dataDir: string) {
  const root = path.resolve(dataDir);
  return {
    root,
    cluster: path.join(root, 'postgres'),
    /** A cluster that is not complete; renamed to `cluster` when it is. */
    unfinished: path.join(root, 'postgres.unfinished'),
    /** The password as `initdb` reads it, under the server's user; gone afterwards. */
    initialPassword: path.join(root, 'postgres.initial-password'),
    password: path.join(root, 'postgres.password'),
    port: path.join(root, 'postgres.port'),
  };
}
export type EmbeddedFiles = ReturnType<typeof embeddedFiles>;

export const SUPERUSER = 'tallystick';

/** The connection string of the embedded Postgres of a data directory, whether it runs or not. Throws when there has never been one. */
export async function embeddedUrl(dataDir: string): Promise<string> {
  const files = embeddedFiles(dataDir);
  const [password, port] = await Promise.all([readIfThere(files.password), readIfThere(files.port)]);
  if (password === null || port === null) throw new Error(`there is no embedded Postgres in ${files.root}`);
  return connectionString(password, Number(port));
}

export function connectionString(password: string, port: number): string {
  return `postgres://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${String(port)}/postgres`;
}

/** The trimmed text of a small file, null when it does not exist. */
export async function readIfThere(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Writes a small file readable by its owner only; a crash leaves the old content or the new. */
export async function writePrivately(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const draft = `${file}.draft`;
  await writeFile(draft, text, { mode: 0o600, flush: true });
  await rename(draft, file);
}
