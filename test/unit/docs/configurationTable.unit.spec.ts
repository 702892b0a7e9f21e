import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../infra/config/config.ts';
import { section, tableOf } from './readme.ts';

/** A row for each field of the schema, in its order. */
function expectedTable(): string[][] {
  const rows = Object.entries(configSchema.shape).map(([name, field]) => {
    const byDefault: string | number | undefined = field.safeParse(undefined).data;
    return [`\`${name}\``, byDefault === undefined ? '–' : `\`${String(byDefault)}\``, field.description ?? ''];
  });
  return [['variable', 'default', 'meaning'], ['---', '---', '---'], ...rows];
}

describe('The configuration table of the README', () => {
  it('has exactly the variables, defaults and meanings of the code, in their order', () => {
    const expected = expectedTable();
    const printable = expected.map((row) => `| ${row.join(' | ')} |`).join('\n');
    expect(tableOf(section('Configuration')), `the README should have:\n\n${printable}\n`).toEqual(expected);
  });

  it('leaves no variable without a meaning', () => {
    expect(expectedTable().filter(([, , meaning]) => meaning === '')).toEqual([]);
  });
});
