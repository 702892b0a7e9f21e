import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { filesBelow, REPOSITORY, ROOMS, SOURCES, textOf } from './sources.ts';

const MOST_LINES = 400;

/** What must stand at the top of the repository. */
const NEEDED = [
  ...['package.json', 'services', 'projections', 'events', 'infra', 'test', 'README.md'],
  ...['package-lock.json', 'tsconfig.json', 'eslint.config.js', 'vitest.config.ts'],
  ...['LICENSE', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', '.ci', '.gitignore'],
];
/** What may stand there too. */
const ALLOWED = [...NEEDED, 'docker-compose.yml', 'Dockerfile', '.dockerignore'];
const DOT_FILES = ['.editorconfig', '.npmrc', '.nvmrc', '.prettierignore', '.prettierrc.json', '.git'];

/** This file names what it forbids. */
const HERE = 'test/unit/architecture/files.unit.spec.ts';
const testFiles = filesBelow('test').filter((file) => file.endsWith('.spec.ts'));
const texts = ROOMS.flatMap(filesBelow).filter((file) => /\.(ts|sql|md|ya?ml|json)$/.test(file));

describe('The repository', () => {
  it('has at its top exactly what belongs there', () => {
    const ignored = textOf('.gitignore')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(/\/$/, ''));
    const entries = readdirSync(REPOSITORY).filter(
      (entry) => !ignored.includes(entry) && !ignored.includes(`*${entry.slice(entry.lastIndexOf('.'))}`),
    );
    expect(entries.filter((entry) => ![...ALLOWED, ...DOT_FILES].includes(entry))).toEqual([]);
    expect(NEEDED.filter((entry) => !entries.includes(entry))).toEqual([]);
  });

  it('holds TypeScript and no JavaScript, built or otherwise, in its rooms', () => {
    expect(ROOMS.flatMap(filesBelow).filter((file) => /\.(js|mjs|cjs|d\.ts|map)$/.test(file))).toEqual([]);
  });

  it(`has no file of more than ${String(MOST_LINES)} lines`, () => {
    const long = SOURCES.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }));
    expect(long.filter(({ lines }) => lines > MOST_LINES)).toEqual([]);
  });

  it('names files in camelCase, with their role as a suffix', () => {
    const name = /^[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*\.ts$/;
    const paths = SOURCES.map(({ path }) => path);
    expect(paths.filter((path) => !name.test(path.slice(path.lastIndexOf('/') + 1)))).toEqual([]);
  });

  it('leaves nothing for later', () => {
    const later = /\b(TODO|FIXME|HACK)\b|@todo/;
    expect(texts.filter((file) => file !== HERE && later.test(textOf(file)))).toEqual([]);
  });

  it('silences no checker but where it says why', () => {
    const silenced = /@ts-(ignore|nocheck|expect-error)|eslint-disable(?!-next-line no-control-regex)/;
    expect(SOURCES.filter(({ path, text }) => path !== HERE && silenced.test(text)).map(({ path }) => path)).toEqual(
      [],
    );
  });
});

describe('The tests', () => {
  it('say by their suffix what they need, and every one is in a project', () => {
    expect(testFiles.filter((file) => !/\.(unit|int|engine|e2e)\.spec\.ts$/.test(file))).toEqual([]);
    expect(testFiles.length).toBeGreaterThan(100);
  });

  it('are all run: none is skipped, left for later, expected to fail, or run alone', () => {
    const withheld =
      /\b(?:it|test|describe|suite)(?:\.\w+)*\.(?:skip|only|todo|fails|skipIf|runIf)\b|\bx(?:it|describe)\(/;
    const found = SOURCES.filter(({ path, room, text }) => room === 'test' && path !== HERE && withheld.test(text));
    expect(found.map(({ path }) => path)).toEqual([]);
  });
});

describe('The room guides', () => {
  const guides = filesBelow('.')
    .filter((file) => /^(events|services|projections|infra)\/.*README\.md$/.test(file))
    .map((file) => ({ file, text: textOf(file) }));

  it('are in every room', () => {
    const files = guides.map(({ file }) => file);
    expect(files).toEqual(expect.arrayContaining(['events/README.md', 'projections/README.md', 'infra/README.md']));
    expect(files.filter((file) => file.startsWith('services/')).length).toBeGreaterThanOrEqual(4);
  });

  it.each(guides)(
    '$file says what the model is, what it owns, what always holds, and what its times mean',
    ({ text }) => {
      const order = ['Model', 'Owns', 'Invariants', 'Times'].map((word) =>
        text.search(new RegExp(`^(## |\\*\\*)${word}`, 'm')),
      );
      expect(order.every((place) => place >= 0)).toBe(true);
      expect([...order].sort((left, right) => left - right)).toEqual(order);
    },
  );
});
