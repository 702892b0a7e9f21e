import { describe, expect, it } from 'vitest';
import { jsonText } from '../../../services/cli/outcome.ts';
import { tableOf, type Column } from '../../../services/cli/table.ts';

const columns: readonly Column<{ name: string; count: number }>[] = [
  { head: 'name', of: ({ name }) => name },
  { head: 'count', align: 'right', of: ({ count }) => String(count) },
];

describe('a table', () => {
  it('has a row for each and numbers on the right', () => {
    expect(tableOf(columns, [{ name: 'one', count: 1 }], 'none')).toBe(
      ['┌──────┬───────┐', '│ name │ count │', '├──────┼───────┤', '│ one  │     1 │', '└──────┴───────┘'].join('\n'),
    );
  });

  it('lets no name write into the terminal', () => {
    expect(tableOf(columns, [{ name: '\u001b[2Jgone\n\u009b', count: 1 }], 'none')).toContain('│ ?[2Jgone?? │');
  });

  it('is a sentence when it is empty', () => {
    expect(tableOf(columns, [], 'Nothing.')).toBe('Nothing.');
  });
});

describe('a JSON document', () => {
  it('has decimal text for what no JSON number can hold', () => {
    expect(jsonText({ position: 2n ** 70n, list: [1n], text: 'x' })).toBe(
      '{\n  "position": "1180591620717411303424",\n  "list": [\n    "1"\n  ],\n  "text": "x"\n}\n',
    );
  });
});
