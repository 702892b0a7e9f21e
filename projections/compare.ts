import type { SqlExecutor } from './projection.ts';

export interface TableComparison {
  readonly table: string;
  /** Rows of the rebuilt table. */
  readonly rows: number;
  readonly equal: boolean;
  /** The first row, by primary key, that differs: its text on either side, null where it is missing. */
  readonly firstDifference?: { readonly live: string | null; readonly rebuilt: string | null };
}

export interface KeyedTable {
  readonly table: string;
  /** Columns of its primary key. */
  readonly key: readonly string[];
}

/** Tables of a projection's schema in the order of their making, without the runner's own. */
export async function tablesOf(sql: SqlExecutor, schema: string): Promise<readonly KeyedTable[]> {
  const { rows } = await sql.query<KeyedTable>(
    `SELECT c.relname::text AS table, array_agg(a.attname::text ORDER BY k.place) AS key
     FROM pg_index i
     JOIN pg_class c ON c.oid = i.indrelid
     CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
     WHERE i.indisprimary AND c.relnamespace = to_regnamespace($1) AND c.relname <> 'checkpoint'
     GROUP BY c.oid, c.relname ORDER BY c.oid`,
    [schema],
  );
  return rows;
}

/** Compares a table in two schemas row by row, each row as its whole text. Sorts or hashes both: takes about 1 s per million rows. */
export async function compareTable(
  sql: SqlExecutor,
  { table, key }: KeyedTable,
  live: string,
  rebuilt: string,
): Promise<TableComparison> {
  const columns = key.join(', ');
  const joined = `(SELECT ${columns}, l::text AS live FROM ${live}.${table} l) AS a
    FULL JOIN (SELECT ${columns}, r::text AS rebuilt FROM ${rebuilt}.${table} r) AS b USING (${columns})`;
  const { rows: counts } = await sql.query<{ rows: string; different: string }>(
    `SELECT count(rebuilt) AS rows, count(*) FILTER (WHERE live IS DISTINCT FROM rebuilt) AS different FROM ${joined}`,
  );
  const {
    rows: [firstDifference],
  } = await sql.query<{ live: string | null; rebuilt: string | null }>(
    `SELECT live, rebuilt FROM ${joined} WHERE live IS DISTINCT FROM rebuilt ORDER BY ${columns} LIMIT 1`,
  );
  const rows = Number(counts[0]?.rows ?? 0);
  return firstDifference ? { table, rows, equal: false, firstDifference } : { table, rows, equal: true };
}
