import { ParkingQueries } from '../../projections/parking.ts';
import { InvoiceFacts } from '../../projections/requests/invoiceFacts.ts';
import type { ClosingPorts } from '../billing/invoicing/closePeriod.ts';
import { InvoiceNumbers } from '../billing/invoicing/invoiceNumbers.ts';
import type { Core } from './core.ts';
import type { ReadModels } from './readModels.ts';

/** What closing a period needs, for the worker and for the command line. */
export function closingPorts(core: Core, readModels: ReadModels): ClosingPorts {
  const parking = new ParkingQueries(readModels.sql);
  return {
    store: core.store,
    facts: new InvoiceFacts(readModels.sql),
    readModels: {
      caughtUp: (position) => readModels.caughtUp(position, ['requests'], 60_000),
      isParked: (accountId) => parking.isParked('requests', accountId),
    },
    numbers: new InvoiceNumbers(core.store),
    clock: core.runtime.clock,
  };
}
