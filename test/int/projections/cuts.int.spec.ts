import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../../events/codec.ts';
import { PROJECTIONS } from '../../../projections/catalogue.ts';
import { ledgerProjection } from '../../../projections/ledger/ledger.projection.ts';
import {
  accountLimitsSet,
  accountOpened,
  apiKeyChanged,
  apiKeyIssued,
  apiKeyRotated,
  recorded,
  requestAborted,
  requestAccepted,
  requestCompleted,
  requestFailed,
  requestIdOf,
  usageCorrected,
  usageRecorded,
} from '../../support/events.ts';
import { pagesOf, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

const ACCOUNTS = ['acct_a', 'acct_b', 'acct_c'];

/** One call from acceptance to, perhaps, a correction; its pieces keep their order and others come between them. */
const call = fc
  .record({
    account: fc.nat({ max: ACCOUNTS.length - 1 }),
    tokens: fc.nat({ max: 1_000 }),
    corrected: fc.option(fc.nat({ max: 1_000 })),
    end: fc.constantFrom('completed', 'failed', 'aborted', 'none'),
    minute: fc.integer({ min: 0, max: 179 }),
  })
  .map(({ account, tokens, corrected, end, minute }) => (id: number): DomainEvent[] => {
    const at = `2026-11-20T${String(8 + Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}:00.000Z`;
    const accountId = ACCOUNTS[account] ?? 'acct_a';
    const common = { requestId: requestIdOf(id), accountId, occurredAt: at };
    const charged = { keyId: `key_${accountId}`, ...common };
    const rated = (quantity: number) => ({
      usage: { outputText: quantity },
      source: 'reported' as const,
      amountPicos: String(quantity * 600_000),
    });
    const ends = { completed: requestCompleted, failed: requestFailed, aborted: requestAborted };
    return [
      requestAccepted(charged),
      usageRecorded({ ...charged, ...rated(tokens) }),
      ...(end === 'none' ? [] : [ends[end](common)]),
      ...(corrected === null
        ? []
        : [usageCorrected({ ...charged, previous: rated(tokens), corrected: rated(corrected) })]),
    ];
  });

/** Events of several calls, shuffled together without changing the order within any. */
const history = fc
  .tuple(fc.array(call, { minLength: 1, maxLength: 12 }), fc.infiniteStream(fc.nat()))
  .map(([calls, choices]) => {
    const events: DomainEvent[] = ACCOUNTS.flatMap((accountId) => [
      accountOpened({ accountId }),
      apiKeyIssued({ accountId, keyId: `key_${accountId}` }),
      apiKeyRotated({ accountId, keyId: `key_${accountId}` }),
    ]);
    let open = calls.map((make, id) => make(id));
    while (open.length > 0) {
      const chosen = open[choices.next().value % open.length];
      const next = chosen?.shift();
      if (next) events.push(next);
      open = open.filter((rest) => rest.length > 0);
    }
    events.push(
      accountLimitsSet({ accountId: 'acct_a' }),
      apiKeyChanged('ApiKeyRevoked', { accountId: 'acct_b', keyId: 'key_acct_b' }),
    );
    return events;
  });

describe('any history, cut into pages anywhere', () => {
  it.each(PROJECTIONS.map((projection) => [projection.name, projection] as const))(
    'leaves the same rows in %s',
    async (_name, projection) => {
      await fc.assert(
        fc.asyncProperty(history, fc.integer({ min: 1, max: 9 }), async (events, size) => {
          const log = recorded(events);
          const results = [];
          for (const pages of [pagesOf(log, log.length), pagesOf(log, size)]) {
            await stage.reset(projection);
            for (const page of pages) {
              expect(await stage.apply(projection, page)).toEqual({ outcome: 'applied', parked: 0 });
            }
            results.push(await stage.bytesOf(projection));
          }
          expect(results[0]).toEqual(results[1]);
        }),
        { numRuns: 6 },
      );
    },
    60_000,
  );

  it('leaves a ledger whose debits and credits are equal in every currency', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (events) => {
        await stage.reset(ledgerProjection);
        for (const page of pagesOf(recorded(events), 7)) await stage.apply(ledgerProjection, page);
        const { rows } = await stage.sql.query(
          `SELECT currency FROM ledger.balances GROUP BY currency HAVING sum(debits) <> sum(credits)`,
        );
        expect(rows).toEqual([]);
        const { rows: sums } = await stage.sql.query(
          `SELECT ledger_account FROM ledger.balances b
           WHERE debits <> (SELECT coalesce(sum(amount), 0) FROM ledger.transfers t
               WHERE t.debit_account = b.ledger_account AND t.currency = b.currency)
             OR credits <> (SELECT coalesce(sum(amount), 0) FROM ledger.transfers t
               WHERE t.credit_account = b.ledger_account AND t.currency = b.currency)`,
        );
        expect(sums).toEqual([]);
      }),
      { numRuns: 6 },
    );
  }, 60_000);
});
