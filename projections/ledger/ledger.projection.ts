import type { DomainEvent } from '../../events/codec.ts';
import { columnsOf, storable } from '../columns.ts';
import { ofTypes } from '../ofTypes.ts';
import type { Projection, SqlExecutor } from '../projection.ts';
import { transfersOf } from './transfers.ts';

const ddl = `
-- Double entry. Each row is a debit and a credit of the same amount; rows are never updated.
CREATE TABLE transfers (
  -- The event that posted it, and the place among what that event posted. A position is one event, so these two are unique
  -- as well; the key orders an account's transfers and keeps inserts at the right edge of the index.
  transfer_id uuid NOT NULL,
  part smallint NOT NULL,
  position bigint NOT NULL,
  occurred_at timestamptz NOT NULL,
  account_id text COLLATE "C" NOT NULL,
  debit_account text COLLATE "C" NOT NULL,
  credit_account text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  amount numeric(38, 0) NOT NULL CHECK (amount >= 0),
  reason text NOT NULL,
  reference text NOT NULL,
  PRIMARY KEY (account_id, position, part),
  CHECK (debit_account <> credit_account)
);
CREATE TABLE balances (
  ledger_account text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  debits numeric NOT NULL,
  credits numeric NOT NULL,
  PRIMARY KEY (ledger_account, currency)
) WITH (fillfactor = 50);
`;

/** What was earned, billed and rounded, per account, in double entry. */
export const ledgerProjection: Projection = {
  name: 'ledger',
  version: 1,
  ddl,
  categories: ['request', 'invoice'],
  types: new Set<DomainEvent['type']>(['UsageRecorded', 'UsageCorrected', 'InvoiceFinalized']),
  async apply(sql, events) {
    const rows = ofTypes(events, 'UsageRecorded', 'UsageCorrected', 'InvoiceFinalized').flatMap(({ event, recorded }) =>
      transfersOf(event).map(({ debit, credit, reference, ...transfer }, part) => ({
        ...transfer,
        eventId: event.eventId,
        part,
        position: recorded.position,
        occurredAt: event.occurredAt,
        accountId: event.accountId,
        debit: `${debit}:${event.accountId}`,
        credit: `${credit}:${event.accountId}`,
        reference: storable(reference),
      })),
    );
    if (rows.length === 0) return;
    await insertTransfers(sql, rows);
    await addToBalances(sql, rows);
  },
};

interface TransferRow {
  readonly eventId: string;
  readonly part: number;
  readonly position: bigint;
  readonly occurredAt: string;
  readonly accountId: string;
  readonly debit: string;
  readonly credit: string;
  readonly currency: string;
  readonly amount: bigint;
  readonly reason: string;
  readonly reference: string;
}

async function insertTransfers(sql: SqlExecutor, rows: readonly TransferRow[]): Promise<void> {
  await sql.query(
    `INSERT INTO transfers (transfer_id, part, position, occurred_at, account_id, debit_account, credit_account,
       currency, amount, reason, reference)
     SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[],
       $7::text[], $8::text[], $9::numeric[], $10::text[], $11::text[])`,
    [
      ...columnsOf(rows, 'eventId', 'part', 'position', 'occurredAt', 'accountId', 'debit', 'credit'),
      ...columnsOf(rows, 'currency', 'amount', 'reason', 'reference'),
    ],
  );
}

interface BalanceChange {
  readonly ledgerAccount: string;
  readonly currency: string;
  debits: bigint;
  credits: bigint;
}

async function addToBalances(sql: SqlExecutor, rows: readonly TransferRow[]): Promise<void> {
  const changes = new Map<string, BalanceChange>();
  const changeOf = (ledgerAccount: string, currency: string): BalanceChange => {
    const id = `${ledgerAccount} ${currency}`;
    const change = changes.get(id) ?? { ledgerAccount, currency, debits: 0n, credits: 0n };
    changes.set(id, change);
    return change;
  };
  for (const { debit, credit, currency, amount } of rows) {
    changeOf(debit, currency).debits += amount;
    changeOf(credit, currency).credits += amount;
  }
  await sql.query(
    `INSERT INTO balances AS b (ledger_account, currency, debits, credits)
     SELECT * FROM unnest($1::text[], $2::text[], $3::numeric[], $4::numeric[])
     ON CONFLICT (ledger_account, currency) DO UPDATE SET
       debits = b.debits + excluded.debits, credits = b.credits + excluded.credits`,
    columnsOf([...changes.values()], 'ledgerAccount', 'currency', 'debits', 'credits'),
  );
}
