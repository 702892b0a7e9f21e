import type { DomainEvent } from '../../events/codec.ts';
import { storableJson } from '../columns.ts';
import { ofTypes } from '../ofTypes.ts';
import type { ProjectedEvent, Projection, SqlExecutor } from '../projection.ts';

const ddl = `
CREATE TABLE periods (
  account_id text COLLATE "C" NOT NULL,
  period text COLLATE "C" NOT NULL,
  start_at timestamptz NOT NULL,
  end_at timestamptz NOT NULL,
  zone text NOT NULL,
  -- Null while the period is open.
  cutoff bigint,
  PRIMARY KEY (account_id, period)
);
CREATE TABLE invoices (
  invoice_id uuid PRIMARY KEY,
  account_id text COLLATE "C" NOT NULL,
  period text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  mode text NOT NULL,
  start_at timestamptz NOT NULL,
  end_at timestamptz NOT NULL,
  cutoff bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('drafted', 'final')),
  number text UNIQUE,
  -- Picos.
  exact_total numeric(38, 0) NOT NULL,
  -- Minor units of the currency.
  total numeric NOT NULL,
  rounding numeric NOT NULL,
  lines jsonb NOT NULL,
  drafted_at timestamptz NOT NULL,
  finalized_at timestamptz,
  UNIQUE (account_id, period, currency)
);
CREATE TABLE numbers (
  series text COLLATE "C" NOT NULL,
  sequence integer NOT NULL,
  invoice_id uuid NOT NULL UNIQUE,
  PRIMARY KEY (series, sequence)
);
`;

/** Billing periods, invoices as they were issued, and the numbers given to them. */
export const invoicesProjection: Projection = {
  name: 'invoices',
  version: 1,
  ddl,
  categories: ['billing', 'invoice', 'invoiceseries'],
  types: new Set<DomainEvent['type']>([
    'PeriodOpened',
    'PeriodClosed',
    'InvoiceDrafted',
    'InvoiceNumberAllocated',
    'InvoiceFinalized',
  ]),
  /** What begins is written before what ends, so both may stand in one page. */
  async apply(sql, events) {
    await insertPeriods(sql, events);
    await closePeriods(sql, events);
    await insertDrafts(sql, events);
    await insertNumbers(sql, events);
    await finalize(sql, events);
  },
};

async function insertPeriods(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const rows = ofTypes(events, 'PeriodOpened').map(({ event }) => ({
    account_id: event.accountId,
    period: event.period,
    start_at: event.start,
    end_at: event.end,
    zone: event.zone,
  }));
  if (rows.length === 0) return;
  await sql.query('INSERT INTO periods SELECT * FROM json_populate_recordset(null::periods, $1)', [storableJson(rows)]);
}

async function closePeriods(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const closed = ofTypes(events, 'PeriodClosed').map(({ event }) => event);
  if (closed.length === 0) return;
  const { rowCount } = await sql.query(
    `UPDATE periods p SET cutoff = c.cutoff
     FROM unnest($1::text[], $2::text[], $3::bigint[]) AS c (account_id, period, cutoff)
     WHERE p.account_id = c.account_id AND p.period = c.period AND p.cutoff IS NULL`,
    [closed.map(({ accountId }) => accountId), closed.map(({ period }) => period), closed.map(({ cutoff }) => cutoff)],
  );
  if (rowCount !== closed.length) throw new Error('a period was closed that is not open');
}

async function insertDrafts(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const rows = ofTypes(events, 'InvoiceDrafted').map(({ event }) => ({
    invoice_id: event.invoiceId,
    account_id: event.accountId,
    period: event.period,
    currency: event.currency,
    mode: event.mode,
    start_at: event.start,
    end_at: event.end,
    cutoff: event.cutoff,
    status: 'drafted',
    exact_total: event.exactTotalPicos,
    total: event.total,
    rounding: event.roundingAmount,
    lines: event.lines,
    drafted_at: event.occurredAt,
  }));
  if (rows.length === 0) return;
  await sql.query('INSERT INTO invoices SELECT * FROM json_populate_recordset(null::invoices, $1)', [
    storableJson(rows),
  ]);
}

async function insertNumbers(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const rows = ofTypes(events, 'InvoiceNumberAllocated').map(({ event }) => ({
    series: event.series,
    sequence: event.sequence,
    invoice_id: event.invoiceId,
  }));
  if (rows.length === 0) return;
  await sql.query('INSERT INTO numbers SELECT * FROM json_populate_recordset(null::numbers, $1)', [storableJson(rows)]);
}

async function finalize(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const final = ofTypes(events, 'InvoiceFinalized').map(({ event }) => event);
  if (final.length === 0) return;
  const { rowCount } = await sql.query(
    `UPDATE invoices i SET status = 'final', number = f.number, finalized_at = f.finalized_at
     FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS f (invoice_id, number, finalized_at)
     WHERE i.invoice_id = f.invoice_id AND i.status = 'drafted'`,
    [
      final.map(({ invoiceId }) => invoiceId),
      final.map(({ number }) => number),
      final.map(({ occurredAt }) => occurredAt),
    ],
  );
  if (rowCount !== final.length) throw new Error('an invoice was finalized that is no draft');
}
