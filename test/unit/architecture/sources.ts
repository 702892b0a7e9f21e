import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
export const ROOMS = ['events', 'services', 'projections', 'infra', 'test'] as const;
export type Room = (typeof ROOMS)[number];

/** One TypeScript file of a room. Paths are relative to the repository. */
export interface SourceFile {
  readonly path: string;
  readonly room: Room;
  readonly text: string;
  /** Files of ours that it imports, types too. */
  readonly imports: readonly string[];
  /** Packages and `node:` modules that it imports, types too. */
  readonly packages: readonly string[];
}

export const SOURCES: readonly SourceFile[] = ROOMS.flatMap((room) =>
  filesBelow(room)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => sourceFile(room, file)),
);

/** Every file below a folder, relative to the repository. */
export function filesBelow(folder: string): string[] {
  return readdirSync(path.join(REPOSITORY, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(REPOSITORY, path.join(entry.parentPath, entry.name)));
}

export function textOf(file: string): string {
  return readFileSync(path.join(REPOSITORY, file), 'utf8');
}

/** A program of its own: it may put everything together, and nobody imports it. */
export function isMain(file: string): boolean {
  return /^services\/(.+\/)?main\.ts$/.test(file);
}

/** Where adapters and read models meet the services. */
export function isWiring(file: string): boolean {
  return file.startsWith('services/wiring/');
}

function sourceFile(room: Room, file: string): SourceFile {
  const text = textOf(file);
  const specifiers = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
  const isOurs = (specifier: string) => specifier.startsWith('.');
  return {
    path: file,
    room,
    text,
    imports: specifiers.filter(isOurs).map((specifier) => path.join(path.dirname(file), specifier)),
    packages: specifiers.filter((specifier) => !isOurs(specifier)).map(packageOf),
  };
}

/** `pg` of `pg/lib/x`, `@a/b` of `@a/b/c`; `node:` modules as they are. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
