import { StoreUnavailable } from '../../../events/eventStore.ts';
import { requestStream } from '../../../events/ids.ts';
import type { Library } from '../../files/library.ts';
import type { StoredFile } from '../../files/ports.ts';
import { asApiError } from '../../http/asApiError.ts';
import type { Runtime } from '../../runtime.ts';
import type { HoldLedger, Settlements } from '../ports.ts';
import { NOTHING_USED, settle } from '../settle.ts';
import { acceptedIn } from './acceptedIn.ts';
import type { BatchRecords, NewBatch } from './ports.ts';

export interface WriteDownParts {
  readonly library: Library;
  readonly records: BatchRecords;
  readonly holds: HoldLedger;
  readonly settlements: Settlements;
  readonly runtime: Runtime;
}

/** Where nothing runs batches for so long after their window, their holds end unbilled; a later settlement corrects that. */
const HOLD_AFTER_WINDOW_MS = 86_400_000;
/** Our copies of input files are nobody's, and go by themselves should a batch not take them away. */
const COPIES_ACCOUNT = 'tallystick_batches';
const COPY_KEPT_MS = 7 * 86_400_000;

/**
 * Copies the input of a batch that is held, and writes the batch down; or throws, and leaves nothing behind: the copy is
 * removed and the hold settled as unused. Where that cannot be done either, the hold ends within a minute all the same,
 * and the copy expires.
 */
export async function writeDown(parts: WriteDownParts, input: StoredFile, batch: NewBatch): Promise<void> {
  const { library, records, runtime } = parts;
  try {
    await copy(library, input, batch);
    if (!(await records.create(batch, batch.expiresAt + HOLD_AFTER_WINDOW_MS))) {
      throw new StoreUnavailable('the hold of a batch was gone before the batch was written down');
    }
  } catch (failure) {
    const isWritten = await records.wasCreated(batch).catch((error: unknown) => {
      runtime.log.warn({ error, batch: batch.id }, 'nobody knows whether a batch is written down; it runs if it is');
      return null;
    });
    if (isWritten === true) return;
    if (isWritten === false) await takeBack(parts, batch, failure);
    throw failure;
  }
}

async function copy(library: Library, input: StoredFile, { copyId, expiresAt }: NewBatch): Promise<void> {
  const own = { ...input, id: copyId, objectKey: copyId, accountId: COPIES_ACCOUNT };
  await library.store({ ...own, expiresAt: expiresAt + COPY_KEPT_MS }, bytesOf(library, input), { isFresh: true });
}

/** Opened when they are read, so that nothing stays open when they are not. */
async function* bytesOf(library: Library, file: StoredFile): AsyncGenerator<Uint8Array> {
  yield* await library.content(file);
}

/** Never rejects, and does each whether or not the other can be done. */
async function takeBack(parts: WriteDownParts, batch: NewBatch, failure: unknown): Promise<void> {
  const done = await Promise.allSettled([endHold(parts, batch, failure), removeCopy(parts.library, batch)]);
  for (const result of done) {
    if (result.status === 'fulfilled') continue;
    const error: unknown = result.reason;
    parts.runtime.log.warn({ error, batch: batch.id }, 'what was made for a failed batch could not be taken back');
  }
}

/** As for any call that fails with nothing used: the client may try again with the same Idempotency-Key. */
async function endHold({ settlements, holds, runtime }: WriteDownParts, batch: NewBatch, failure: unknown) {
  const { requestId, accepted, priced, bounds, createdAt } = batch;
  const { code, status: httpStatus } = asApiError(failure);
  const now = runtime.clock.now();
  const { append } = settle(
    { accepted: acceptedIn(accepted), priced, bounds },
    NOTHING_USED,
    [],
    { type: 'RequestFailed', code, httpStatus },
    { now, latencyMs: Math.max(0, now - createdAt), firstByteMs: null },
  );
  const stream = requestStream(requestId);
  await settlements.append({ stream, expected: 'no_stream', events: [accepted, ...append.events] });
  holds.forgetIdempotency(requestId);
}

/** One that could not be stored is gone already, or goes with a sweep of the library. */
async function removeCopy(library: Library, { copyId }: NewBatch): Promise<void> {
  if (await library.findAnybodys(copyId)) await library.remove(COPIES_ACCOUNT, copyId);
}
