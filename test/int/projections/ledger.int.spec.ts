import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ledgerProjection } from '../../../projections/ledger/ledger.projection.ts';
import { LedgerQueries } from '../../../projections/ledger/ledger.queries.ts';
import { invoiceFinalized, recorded, requestIdOf, usageCorrected, usageRecorded } from '../../support/events.ts';
import { expectTables, pagesOf, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

describe('the ledger projection', () => {
  const posted = usageRecorded();
  const row = {
    transfer_id: posted.eventId,
    part: 0,
    position: 1,
    occurred_at: '2026-11-20T09:30:00+00:00',
    account_id: 'acct_live1',
    debit_account: 'unbilled:acct_live1',
    credit_account: 'revenue:acct_live1',
    currency: 'USD',
    amount: 450_000_000,
    reason: 'usage',
    reference: posted.requestId,
  };

  it('posts usage as revenue that is not billed yet', () =>
    expectTables(stage, ledgerProjection, [posted], {
      transfers: [row],
      balances: [
        { ledger_account: 'revenue:acct_live1', currency: 'USD', debits: 0, credits: 450_000_000 },
        { ledger_account: 'unbilled:acct_live1', currency: 'USD', debits: 450_000_000, credits: 0 },
      ],
    }));

  it('posts nothing for usage that costs nothing', () =>
    expectTables(stage, ledgerProjection, [usageRecorded({ amountPicos: '0' })], { transfers: [], balances: [] }));

  it('takes a corrected amount back and posts the new one', async () => {
    const correction = usageCorrected();
    await expectTables(stage, ledgerProjection, [posted, correction], {
      transfers: [
        {
          ...row,
          transfer_id: correction.eventId,
          position: 2,
          debit_account: 'revenue:acct_live1',
          credit_account: 'unbilled:acct_live1',
          reason: 'usage_taken_back',
        },
        {
          ...row,
          transfer_id: correction.eventId,
          part: 1,
          position: 2,
          amount: 390_000_000,
          reason: 'usage_corrected',
        },
        row,
      ].sort((a, b) => (`${a.transfer_id},${String(a.part)}` < `${b.transfer_id},${String(b.part)}` ? -1 : 1)),
      balances: [
        { ledger_account: 'revenue:acct_live1', currency: 'USD', debits: 450_000_000, credits: 840_000_000 },
        { ledger_account: 'unbilled:acct_live1', currency: 'USD', debits: 840_000_000, credits: 450_000_000 },
      ],
    });
  });

  it('moves what an invoice bills to receivable, and its rounding to a book of its own', () =>
    expectTables(
      stage,
      ledgerProjection,
      [usageRecorded({ amountPicos: '6000000000' }), invoiceFinalized({ exactTotalPicos: '6000000000', total: '1' })],
      {
        balances: [
          { ledger_account: 'receivable:acct_live1', currency: 'USD', debits: 10_000_000_000, credits: 0 },
          { ledger_account: 'revenue:acct_live1', currency: 'USD', debits: 0, credits: 6_000_000_000 },
          { ledger_account: 'rounding:acct_live1', currency: 'USD', debits: 0, credits: 4_000_000_000 },
          { ledger_account: 'unbilled:acct_live1', currency: 'USD', debits: 6_000_000_000, credits: 6_000_000_000 },
        ],
      },
    ));

  it('reads the books of one account', async () => {
    await stage.reset(ledgerProjection);
    const events = [posted, usageRecorded({ requestId: requestIdOf('foreign'), accountId: 'acct_other' })];
    for (const page of pagesOf(recorded(events), 10)) await stage.apply(ledgerProjection, page);
    expect(await new LedgerQueries(stage.sql).balances('acct_live1')).toEqual([
      { book: 'revenue', currency: 'USD', debits: 0n, credits: 450_000_000n },
      { book: 'unbilled', currency: 'USD', debits: 450_000_000n, credits: 0n },
    ]);
    expect(await new LedgerQueries(stage.sql).balances('acct_none')).toEqual([]);
  });
});
