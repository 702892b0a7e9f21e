import { z } from 'zod';

export const BATCH_QUEUE = 'batches';
/** Works on one batch until it has ended. */
export const RUN = 'run';

export const batchJob = z.strictObject({ batchId: z.string().regex(/^batch_[0-9a-f]{32}$/) });
export type BatchJob = z.infer<typeof batchJob>;

/** One job per batch, so that asking again while it waits or runs does nothing. */
export function batchJobId({ batchId }: BatchJob): string {
  return `${RUN}/${batchId}`;
}
