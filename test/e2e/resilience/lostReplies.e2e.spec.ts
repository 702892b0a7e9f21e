import { Agent } from 'node:http';
import { expect, it, vi } from 'vitest';
import { AuditQueries } from '../../../projections/audit/audit.queries.ts';
import { verifyAudit } from '../../../projections/audit/verify.ts';
import { InvoiceQueries } from '../../../projections/invoices/invoices.queries.ts';
import { monthOf } from '../../../services/billing/period.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { Developer } from '../../support/developer.ts';
import { HostedService } from '../../support/hostedService.ts';
import { FakeKurrent } from '../../support/kurrentdb/server.ts';
import { RelayCall } from '../../support/relayCall.ts';
import { ScriptedUpstream, type ScriptedCall } from '../../support/scriptedUpstream.ts';

const CALLS = 4;
/** Every other call lasts so long that its acceptance is appended by itself. */
const LONG_MS = 90;
const BODY = { model: 'gpt-4o', max_tokens: 64, messages: [{ role: 'user', content: 'Is it written down?' }] };

/** What a run has come to, without what differs from run to run by nature: ids and times. */
interface Outcome {
  readonly statuses: readonly (number | null)[];
  readonly eventTypes: Readonly<Record<string, number>>;
  readonly quota: readonly object[];
  readonly ledger: readonly object[];
  readonly invoices: readonly object[];
}

/** Calls and an invoice on a KurrentDB that loses its answer to the `lost`-th append, which it has applied; 0: to none. */
async function run(lost: number): Promise<{ readonly outcome: Outcome; readonly appends: number }> {
  await using upstream = await ScriptedUpstream.start();
  const fake = await FakeKurrent.start();
  const agent = new Agent({ keepAlive: true });
  const hosted = await HostedService.start([{ name: 'scripted', baseUrl: upstream.baseUrl, models: ['gpt-4o'] }], {
    KURRENTDB_URL: fake.url,
    STORE_TIMEOUT_MS: '400',
  });
  try {
    const { service } = hosted;
    const developer = await Developer.register(service.baseUrl);
    const { key } = await developer.issueKey({ mode: 'live' });
    let appends = 0;
    vi.spyOn(fake.faults, 'nextAnswer').mockImplementation(() => {
      appends += 1;
      return appends === lost ? 'lost' : 'sent';
    });

    upstream.otherwise((call) => void setTimeout(answer, upstream.calls.length % 2 === 0 ? LONG_MS : 0, call));
    const statuses: (number | null)[] = [];
    for (let call = 0; call < CALLS; call += 1) {
      statuses.push((await new RelayCall({ baseUrl: service.baseUrl, key, agent }, BODY).seen).status);
    }
    // What is still in the relay's journal when a running month is closed early comes with the next invoice.
    await vi.waitFor(() => expect(service.relay.settlements.pending).toBe(0), { timeout: 20_000 });
    await hosted.books.nothingHeld(20_000);
    const { store, runtime } = service.core;
    const account = developer.accounts.live;
    await service.invoicing.queue.requestClose(account, monthOf(runtime.clock.now(), 'UTC'), true);
    const invoices = new InvoiceQueries(service.readModels.sql);
    const final = await vi.waitFor(
      async () => {
        const found = (await invoices.listInvoices(account)).filter(({ status }) => status === 'final');
        expect(found).toHaveLength(1);
        return found;
      },
      { timeout: 30_000, interval: 20 },
    );
    await service.readModels.caughtUp(await store.head());

    for (const { invoiceId } of final) expect(await verifyInvoice(store, invoiceId)).toMatchObject({ equal: true });
    const audit = await verifyAudit(store, new AuditQueries(service.readModels.sql));
    expect(audit).toMatchObject({ ok: true, firstDifference: null });
    const eventTypes: Record<string, number> = {};
    for (const { type, stream } of fake.log.events) {
      if (!stream.startsWith('$')) eventTypes[type] = (eventTypes[type] ?? 0) + 1;
    }
    const { sql } = service.readModels;
    return {
      appends,
      outcome: {
        statuses,
        eventTypes,
        quota: (await sql.query('SELECT meter, used FROM quota.used ORDER BY meter, used')).rows,
        ledger: (
          await sql.query(
            `SELECT split_part(ledger_account, ':', 1) AS name, currency, debits, credits
             FROM ledger.balances ORDER BY 1, 2, 3, 4`,
          )
        ).rows,
        invoices: final.map(({ currency, total, exactTotal }) => ({ currency, total, exactTotal })),
      },
    };
  } finally {
    agent.destroy();
    await hosted.dispose();
    fake.kill();
  }
}

function answer(call: ScriptedCall): void {
  call.answer(200, {
    ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-4o' },
    choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
  });
}

it(
  'an answer of the event store that is lost changes no bill, whichever append it was',
  { timeout: 170_000 },
  async () => {
    const untouched = await run(0);
    expect(untouched.outcome.statuses).toEqual([200, 200, 200, 200]);
    expect(untouched.outcome.eventTypes).toMatchObject({ UsageRecorded: CALLS, InvoiceFinalized: 1 });
    expect(untouched.appends).toBeGreaterThan(CALLS + 4);
    for (let lost = 1; lost <= untouched.appends; lost += 1) {
      const { outcome } = await run(lost);
      expect({ lost, ...outcome }).toEqual({ lost, ...untouched.outcome });
    }
  },
);
