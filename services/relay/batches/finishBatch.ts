import type { EncodedEvent } from '../../../events/codec.ts';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { deriveId, requestStream } from '../../../events/ids.ts';
import type { UsageSource } from '../../../events/meters.ts';
import type { Attempt } from '../../../events/request/request.events.ts';
import type { Library } from '../../files/library.ts';
import type { StoredFile } from '../../files/ports.ts';
import type { Runtime } from '../../runtime.ts';
import type { RelayMetrics, Settlements } from '../ports.ts';
import { NOTHING_USED, settle, type MeasuredUsage } from '../settle.ts';
import { acceptedIn } from './acceptedIn.ts';
import { readLine } from './batchLines.ts';
import { BATCH_VARIANT } from './batchPrice.ts';
import { inputLines } from './inputLines.ts';
import { unansweredLine } from './lineText.ts';
import type { Batch, BatchRecords, BatchTotals } from './ports.ts';
import type { LineSetting } from './readBatch.ts';
import { fileIdOf } from './submit.ts';

export interface FinishParts {
  readonly library: Library;
  readonly records: BatchRecords;
  readonly settlements: Settlements;
  readonly metrics: Pick<RelayMetrics, 'callEnded' | 'tokens'>;
  readonly runtime: Runtime;
  readonly lines: LineSetting;
}

/** As many as a terminal event lists. */
const MAX_ATTEMPTS = 16;

/**
 * Settles a finalized batch, stores its files and states its end, in this order: nobody sees a result that is not billed.
 * Each step may have been done before. The settlement is written down before it is made, so that a repetition is the
 * same in every byte and is absorbed.
 */
export async function finishBatch(parts: FinishParts, batch: Batch): Promise<void> {
  const { records, runtime, library } = parts;
  const totals = await records.totals(batch.id);
  await settleBatch(parts, batch, totals);
  const output = await storeOutput(parts, batch, totals);
  const error = await storeErrors(parts, batch, totals);
  const counts = { completed: totals.succeeded, failed: totals.failed };
  await records.end(batch.id, { output, error }, counts, runtime.clock.now());
  const copy = await library.findAnybodys(batch.copyId);
  if (copy) await library.remove(copy.accountId, copy.id);
}

async function settleBatch({ records, settlements, metrics, runtime }: FinishParts, batch: Batch, totals: BatchTotals) {
  const { requestId, accepted, priced, bounds, ending, createdAt } = batch;
  const call = { accepted: acceptedIn(accepted), priced, bounds };
  const finish = { type: 'RequestCompleted', finishReason: ending } as const;
  const now = runtime.clock.now();
  const times = { now, latencyMs: Math.max(0, now - createdAt), firstByteMs: null };
  const { append, usage } = settle(call, measuredOf(totals), attemptsOf(totals), finish, times);
  const events: readonly EncodedEvent[] = await records.settle(batch.id, append.events, usage);
  await settlements.append({
    stream: requestStream(requestId),
    expected: 'no_stream',
    events: [accepted, ...events],
  });
  metrics.callEnded('RequestCompleted', false, times.latencyMs / 1_000);
  metrics.tokens(usage);
}

function measuredOf({ usage, sources }: BatchTotals): MeasuredUsage {
  const told = new Set<UsageSource>(sources.filter((source) => source !== 'none'));
  const [source] = told;
  if (source === undefined) return NOTHING_USED;
  return { usage, source: told.size === 1 ? source : 'mixed', variant: BATCH_VARIANT };
}

/** One per channel, with what all its lines cost. */
function attemptsOf({ channels }: BatchTotals): Attempt[] {
  return channels.slice(0, MAX_ATTEMPTS).map(({ channel, costPicos }, index) => ({
    number: index + 1,
    channel,
    outcome: 'answered',
    status: 200,
    upstreamRequestId: null,
    costPicos: costPicos?.toString() ?? null,
  }));
}

async function storeOutput(
  { library, records }: FinishParts,
  batch: Batch,
  totals: BatchTotals,
): Promise<string | null> {
  if (totals.succeeded === 0) return null;
  const file = fileOf(batch, 'output', totals.outputBytes);
  await library.store(file, outputBytes(records, batch.id, totals.succeeded));
  return file.id;
}

async function* outputBytes(records: BatchRecords, id: string, expected: number): AsyncGenerator<Uint8Array> {
  let given = 0;
  for await (const { text } of records.texts(id, true)) {
    given += 1;
    yield Buffer.from(`${text}\n`);
  }
  assertAll(given, expected);
}

/** Results go when another process has ended the batch meanwhile. Its files are whole, and must not be replaced by less. */
function assertAll(given: number, expected: number): void {
  if (given !== expected) throw new StoreUnavailable('the results of a batch are gone: it has ended meanwhile');
}

/** What failed and what was not asked, in the order of the input. */
async function storeErrors(
  { library, records, lines }: FinishParts,
  batch: Batch,
  totals: BatchTotals,
): Promise<string | null> {
  const done = await records.linesDone(batch.id);
  const failed = new Map<number, string>();
  for await (const { line, text } of records.texts(batch.id, false)) failed.set(line, text);
  assertAll(done.size, totals.succeeded + totals.failed);
  assertAll(failed.size, totals.failed);
  if (failed.size === 0 && done.size === batch.lines) return null;
  const texts: string[] = [];
  for await (const raw of inputLines(library, batch, lines)) {
    const text = failed.get(raw.line);
    if (text !== undefined) texts.push(text);
    else if (!done.has(raw.line)) {
      const { customId } = readLine(raw, lines.maxDepth);
      const lineId = deriveId(batch.requestId, 'line', raw.line);
      texts.push(unansweredLine({ customId, lineId }, batch.ending ?? 'completed'));
    }
  }
  const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
  const file = fileOf(batch, 'error', bytes.length);
  await library.store(file, bytes);
  return file.id;
}

function fileOf(batch: Batch, role: 'output' | 'error', bytes: number): StoredFile {
  const id = fileIdOf(batch.requestId, role);
  const createdAt = batch.finalizingAt ?? batch.createdAt;
  return {
    ...{ id, objectKey: id, accountId: batch.accountId, bytes, createdAt, createdBy: null },
    name: `${batch.id}_${role}.jsonl`,
    mediaType: 'application/jsonl',
    purpose: 'batch_output',
    expiresAt: createdAt + batch.filesKeptMs,
  };
}
