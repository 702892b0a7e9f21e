import { describe, expect, it } from 'vitest';
import { ERRORS } from '../../../services/http/errors.ts';
import { section, tableOf } from './readme.ts';

/** A row for each code of the catalogue, in its order. */
function expectedTable(): string[][] {
  const rows = Object.entries(ERRORS).map(([code, { status, type, retry, message }]) => [
    `\`${code}\``,
    String(status),
    `\`${type}\``,
    retry ? 'yes' : 'no',
    message,
  ]);
  return [['code', 'HTTP', 'type', 'retry', 'meaning'], ['---', '---', '---', '---', '---'], ...rows];
}

describe('The error table of the README', () => {
  it('has exactly the codes of the catalogue with all that it says of them, in its order', () => {
    const expected = expectedTable();
    const printable = expected.map((row) => `| ${row.join(' | ')} |`).join('\n');
    expect(tableOf(section('Errors')), `the README should have:\n\n${printable}\n`).toEqual(expected);
  });

  it('has no sentence that would break a table', () => {
    expect(Object.values(ERRORS).filter(({ message }) => /[|\n]/.test(message))).toEqual([]);
  });
});
