import { z } from 'zod';
import { identifier, periodLabel } from '../../events/envelope.ts';

export const INVOICING_QUEUE = 'invoicing';

/** Closes one period of one account. */
export const CLOSE = 'close';
/** Requests every closing that is due. */
export const SWEEP = 'sweep';

export const closeJob = z.strictObject({ accountId: identifier, period: periodLabel, early: z.boolean() });
export type CloseJob = z.infer<typeof closeJob>;
/** A sweep has nothing to say. */
export type InvoicingJob = CloseJob | Record<string, never>;

/** One job per account and period; an early closing is a job of its own, so that it is not lost behind one that will be refused. */
export function closeJobId({ accountId, period, early }: CloseJob): string {
  return `${CLOSE}/${accountId}/${period}${early ? '/early' : ''}`;
}
