import Table from 'cli-table3';

export interface Column<Row> {
  readonly head: string;
  /** Left when absent; numbers stand right. */
  readonly align?: 'left' | 'right';
  readonly of: (row: Row) => string;
}

/** Escape sequences and line ends that a name could bring into somebody's terminal. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Rows as a plain table for a terminal, without colours; `whenEmpty` when there are none. */
export function tableOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[], whenEmpty: string): string {
  if (rows.length === 0) return whenEmpty;
  const table = new Table({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(columns.map(({ of }) => plain(of(row))));
  return table.toString();
}

/** Text that does nothing to a terminal. */
export function plain(text: string): string {
  return text.replace(CONTROL, '?');
}
