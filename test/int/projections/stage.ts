import { expect } from 'vitest';
import type { DomainEvent } from '../../../events/codec.ts';
import type { RecordedEvent } from '../../../events/eventStore.ts';
import { PostgresTransactions, sqlExecutor } from '../../../infra/postgres/transactions.ts';
import { applyPage, type PageOutcome } from '../../../projections/applyPage.ts';
import type { EventPage } from '../../../projections/pages.ts';
import { WHOLE_LOG } from '../../../projections/partitioning.ts';
import { portionOf } from '../../../projections/portions.ts';
import type { Projection, SqlExecutor } from '../../../projections/projection.ts';
import { prepareSchemas } from '../../../projections/schema.ts';
import { StoredEvent } from '../../../projections/storedEvent.ts';
import { recorded } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

/** Rows by table, each row with the columns of its table. */
export type Tables = Record<string, readonly object[]>;

/** A database on which projections are tried. */
export class Stage {
  readonly database: TestDatabase;
  readonly transactions: PostgresTransactions;
  readonly sql: SqlExecutor;

  static async open(): Promise<Stage> {
    return new Stage(await testDatabase());
  }

  private constructor(database: TestDatabase) {
    this.database = database;
    this.transactions = new PostgresTransactions(database.pool);
    this.sql = sqlExecutor(database.pool);
  }

  close(): Promise<void> {
    return this.database.close();
  }

  /** Makes a projection's tables anew, without rows. */
  async reset(projection: Projection): Promise<void> {
    await this.sql.query(`DROP SCHEMA IF EXISTS ${projection.name} CASCADE`);
    await this.sql.query('DELETE FROM public.parked_accounts WHERE projection = $1', [projection.name]);
    await prepareSchemas(this.transactions, [projection]);
  }

  apply(projection: Projection, page: EventPage): Promise<PageOutcome> {
    const target = { projection, schema: projection.name, live: true, partitioning: WHOLE_LOG };
    return applyPage(this.transactions, silentLog, target, portionOf(page, WHOLE_LOG, [page.after]));
  }

  /** All tables of a projection as text, in the order of their keys: equal only when every byte of every row is. */
  async bytesOf(projection: Projection): Promise<Record<string, readonly string[]>> {
    const { rows } = await this.sql.query<{ table: string }>(
      `SELECT tablename AS table FROM pg_tables WHERE schemaname = $1 AND tablename <> 'checkpoint' ORDER BY 1`,
      [projection.name],
    );
    const tables: Record<string, readonly string[]> = {};
    for (const { table } of rows) {
      const content = await this.sql.query<{ row: string }>(
        `SELECT t::text AS row FROM ${projection.name}.${table} t ORDER BY 1`,
      );
      tables[table] = content.rows.map(({ row }) => row);
    }
    return tables;
  }

  /** Rows of a table as JSON in the order of their text, instants in UTC. */
  rowsOf(projection: Projection, table: string): Promise<readonly object[]> {
    return this.transactions.transaction({ schema: projection.name, lock: 'test' }, async (sql) => {
      await sql.query("SET LOCAL TIME ZONE 'UTC'");
      const { rows } = await sql.query<{ row: object }>(`SELECT to_jsonb(t) AS row FROM ${table} t ORDER BY t::text`);
      return rows.map(({ row }) => row);
    });
  }

  /** Reads tables of a projection, those that are named. */
  async tablesOf(projection: Projection, names: readonly string[]): Promise<Tables> {
    const tables: Tables = {};
    for (const name of names) tables[name] = await this.rowsOf(projection, name);
    return tables;
  }
}

/** Pages of at most `size` events. */
export function pagesOf(events: readonly RecordedEvent[], size: number): EventPage[] {
  const pages: EventPage[] = [];
  for (let start = 0; start < events.length; start += size) {
    const page = events.slice(start, start + size);
    const first = page[0];
    const last = page.at(-1);
    if (!first || !last) break;
    pages.push({
      after: first.position - 1n,
      position: last.position,
      events: page.map((event) => new StoredEvent(event)),
    });
  }
  return pages;
}

/** Given events, when a projection has applied them, then its tables hold these rows, however the events were delivered. */
export async function expectTables(
  stage: Stage,
  projection: Projection,
  events: readonly DomainEvent[],
  expected: Tables,
): Promise<void> {
  const log = recorded(events);
  for (const size of [log.length, 1, 2]) {
    await stage.reset(projection);
    for (const page of pagesOf(log, size)) {
      expect(await stage.apply(projection, page)).toEqual({ outcome: 'applied', parked: 0 });
      expect(await stage.apply(projection, page)).toEqual({ outcome: 'overtaken' });
    }
    expect(await stage.tablesOf(projection, Object.keys(expected)), `in pages of ${String(size)}`).toEqual(expected);
  }
}
