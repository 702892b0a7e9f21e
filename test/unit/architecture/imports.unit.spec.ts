import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { isMain, isWiring, REPOSITORY, SOURCES, type Room, type SourceFile } from './sources.ts';

/** Whom each room may import; mains and wiring, which put everything together, may import every room of the product. */
const MAY_IMPORT: Readonly<Record<Room, readonly Room[]>> = {
  events: ['events'],
  services: ['events', 'services'],
  projections: ['events', 'projections'],
  infra: ['events', 'services', 'projections', 'infra'],
  test: ['events', 'services', 'projections', 'infra', 'test'],
};

/** Packages that a room may use; `infra` and `test` may use any. An engine (database, queue, HTTP client, metrics, log) belongs to `infra`. */
const MAY_USE: Readonly<Partial<Record<Room, readonly string[]>>> = {
  events: ['zod', 'node:crypto'],
  projections: ['node:crypto', 'node:util'],
  services: [
    ...['zod', 'express', 'helmet', 'eventsource-parser', 'luxon', 'canonicalize', 'csv-stringify', 'cli-table3'],
    ...['commander', 'node:crypto', 'node:zlib', 'node:util', 'node:buffer', 'node:http', 'node:net', 'node:path'],
  ],
};
/** What only the edge of a program touches: the file system and the process around it. The demo is a client, so it has the SDK. */
const MAINS_MAY_USE = [
  ...(MAY_USE.services ?? []),
  ...['node:fs', 'node:fs/promises', 'node:os', 'node:url', 'node:timers/promises', 'node:process'],
];

const product = SOURCES.filter(({ room }) => room !== 'test');

/** Each breach as a line that names both ends. */
function breaches(files: readonly SourceFile[], targets: (file: SourceFile) => readonly string[]): string[] {
  return files.flatMap((file) => targets(file).map((target) => `${file.path} imports ${target}`));
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? '';
}

describe('Imports', () => {
  it('are read from every room, so that the sentences below say something', () => {
    for (const room of Object.keys(MAY_IMPORT)) {
      expect(SOURCES.filter((file) => file.room === room && file.imports.length > 0).length, room).toBeGreaterThan(5);
    }
    const wiring = SOURCES.find(({ path: file }) => file === 'services/wiring/core.ts');
    expect(wiring?.imports).toContain('infra/postgres/migrate.ts');
    expect(SOURCES.find(({ path: file }) => file === 'infra/postgres/database.ts')?.packages).toContain('pg');
  });

  it('name files that are there, with their extension', () => {
    const missing = (file: SourceFile) => file.imports.filter((target) => !existsSync(path.join(REPOSITORY, target)));
    expect(breaches(SOURCES, missing)).toEqual([]);
  });

  it.each(Object.entries(MAY_IMPORT))('of %s stay within %j', (room, allowed) => {
    const files = SOURCES.filter((file) => file.room === room && !isMain(file.path) && !isWiring(file.path));
    const outside = (file: SourceFile) =>
      file.imports.filter((target) => !(allowed as string[]).includes(roomOf(target)));
    expect(breaches(files, outside)).toEqual([]);
  });

  it('of mains and wiring stay within the product', () => {
    const edges = product.filter((file) => isMain(file.path) || isWiring(file.path));
    expect(edges.length).toBeGreaterThan(5);
    expect(breaches(edges, (file) => file.imports.filter((target) => roomOf(target) === 'test'))).toEqual([]);
  });

  it('of nobody lead to a main, and to the wiring only from mains, the wiring and tests', () => {
    expect(breaches(SOURCES, (file) => file.imports.filter(isMain))).toEqual([]);
    const others = product.filter((file) => !isMain(file.path) && !isWiring(file.path) && !isEdge(file.path));
    expect(breaches(others, (file) => file.imports.filter(isWiring))).toEqual([]);
  });

  it.each(Object.entries(MAY_USE))('of %s use no package beside %j', (room, allowed) => {
    const files = product.filter(
      (file) => file.room === room && !isMain(file.path) && !isWiring(file.path) && !isEdge(file.path),
    );
    expect(breaches(files, (file) => file.packages.filter((name) => !allowed.includes(name)))).toEqual([]);
  });

  it('of engines (pg, bullmq, undici, prom-client, pino and the like) stand in infra alone', () => {
    const edges = product.filter((file) => file.room === 'services' && (isMain(file.path) || isWiring(file.path)));
    expect(breaches(edges, (file) => file.packages.filter((name) => !MAINS_MAY_USE.includes(name)))).toEqual([]);
  });

  it('of the demo are those of a client, and it alone has the SDK', () => {
    const demo = product.filter((file) => isEdge(file.path));
    const allowed = [...MAINS_MAY_USE, 'openai'];
    expect(breaches(demo, (file) => file.packages.filter((name) => !allowed.includes(name)))).toEqual([]);
  });

  it('of the product go in no circle', () => {
    expect(circles(product)).toEqual([]);
  });
});

/** The demo acts on a whole service from outside, as tests do. */
function isEdge(file: string): boolean {
  return file.startsWith('services/demo/');
}

/** Every circle of imports, each as the path that closes it. */
function circles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file);
    if (start >= 0) found.push([...trail.slice(start), file].join(' → '));
    if (start >= 0 || finished.has(file)) return;
    for (const target of byPath.get(file)?.imports ?? []) visit(target, [...trail, file]);
    finished.add(file);
  };
  for (const file of byPath.keys()) visit(file, []);
  return found;
}
