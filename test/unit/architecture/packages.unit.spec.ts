import { describe, expect, it } from 'vitest';
import { filesBelow, SOURCES, textOf } from './sources.ts';

const { dependencies, devDependencies, scripts, bin } = JSON.parse(textOf('package.json')) as Readonly<
  Record<'dependencies' | 'devDependencies' | 'scripts' | 'bin', Readonly<Record<string, string>>>
>;
const used = (files: typeof SOURCES) =>
  new Set(files.flatMap(({ packages }) => packages).filter((name) => !name.startsWith('node:')));
const byProduct = used(SOURCES.filter(({ room }) => room !== 'test'));
const byAll = used(SOURCES);

describe('The packages', () => {
  it('that the product imports are its dependencies', () => {
    expect([...byProduct].filter((name) => !(name in dependencies))).toEqual([]);
  });

  it('that are its dependencies are imported, or resolved by their name for what they carry', () => {
    const product = SOURCES.filter(({ room }) => room !== 'test').map(({ text }) => text);
    const resolved = (name: string) => product.some((text) => text.includes(`resolve('${name}')`));
    expect(Object.keys(dependencies).filter((name) => !byProduct.has(name) && !resolved(name))).toEqual([]);
  });

  it('that tests import are declared', () => {
    const declared = { ...dependencies, ...devDependencies };
    expect([...byAll].filter((name) => !(name in declared))).toEqual([]);
  });

  it('are pinned to one version each', () => {
    const versions = Object.entries({ ...dependencies, ...devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  it('are not needed to find what the scripts run', () => {
    const files = [...filesBelow('services'), ...filesBelow('infra'), ...filesBelow('test')];
    const programs = [...Object.values(scripts), ...Object.values(bin)].flatMap(
      (text) => text.match(/[\w/.]+\.ts/g) ?? [],
    );
    expect(programs.length).toBeGreaterThan(3);
    expect(programs.filter((program) => !files.includes(program))).toEqual([]);
  });
});
