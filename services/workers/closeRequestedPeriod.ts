import { closePeriod, type CloseRequest, type ClosingPorts } from '../billing/invoicing/closePeriod.ts';
import { InvoiceRefused } from '../billing/invoicing/invoiceRefused.ts';
import type { Log } from '../runtime.ts';

/** What became of a request, for the job's record. */
export type ClosingReport =
  | { readonly closed: string; readonly numbers: readonly string[] }
  | { readonly refused: string; readonly period: string };

/**
 * Closes the period that a job asks for. A refusal is an answer, not a failure. Throws StoreUnavailable, after which the
 * job goes on where it stopped, and InvoiceRefused, which no retry heals.
 */
export async function closeRequestedPeriod(
  ports: ClosingPorts,
  log: Log,
  request: CloseRequest,
): Promise<ClosingReport> {
  const { accountId, period } = request;
  try {
    const outcome = await closePeriod(ports, request);
    if (!outcome.ok) {
      log.info({ accountId, period: outcome.period, refusal: outcome.refusal }, 'the period was not closed');
      return { refused: outcome.refusal.reason, period: outcome.period };
    }
    const numbers = outcome.invoices.map(({ number }) => number);
    log.info({ accountId, period, numbers }, 'the period is closed');
    return { closed: period, numbers };
  } catch (error) {
    if (error instanceof InvoiceRefused) {
      log.error({ accountId, period, problems: error.problems }, 'refused to invoice: the account is parked here');
    }
    throw error;
  }
}
