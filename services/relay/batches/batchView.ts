import { INPUT_METERS, OUTPUT_METERS, type Meter, type UsageVector } from '../../../events/meters.ts';
import type { Batch } from './ports.ts';

/** A batch as OpenAI's clients read it. Lists of problems are always absent: a file with problems makes no batch. */
export function batchObject(batch: Batch) {
  const { status, endedAt, usage } = batch;
  return {
    id: batch.id,
    object: 'batch' as const,
    endpoint: batch.endpoint,
    model: batch.model,
    errors: null,
    input_file_id: batch.inputFileId,
    completion_window: '24h' as const,
    status,
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: secondsOf(batch.createdAt),
    in_progress_at: secondsOf(batch.createdAt),
    expires_at: secondsOf(batch.expiresAt),
    finalizing_at: secondsOf(batch.finalizingAt),
    completed_at: status === 'completed' ? secondsOf(endedAt) : null,
    failed_at: null,
    expired_at: status === 'expired' ? secondsOf(endedAt) : null,
    cancelling_at: secondsOf(batch.cancellingAt),
    cancelled_at: status === 'cancelled' ? secondsOf(endedAt) : null,
    request_counts: { total: batch.lines, completed: batch.completed, failed: batch.failed },
    metadata: batch.metadata,
    ...(usage && { usage: usageObject(usage) }),
  };
}

function secondsOf(epochMs: number | null): number | null {
  return epochMs === null ? null : Math.floor(epochMs / 1_000);
}

function usageObject(usage: UsageVector) {
  const sum = (meters: readonly Meter[]) => meters.reduce((total, meter) => total + (usage[meter] ?? 0), 0);
  const [input, output] = [sum(INPUT_METERS), sum(OUTPUT_METERS)];
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cacheRead ?? 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
    total_tokens: input + output,
  };
}
