import { StoreUnavailable } from '../../events/eventStore.ts';
import { ApiError } from '../http/errors.ts';
import { safeFileName } from '../relay/operations/form/fileName.ts';
import type { Runtime } from '../runtime.ts';
import { mediaTypeOf } from './mediaType.ts';
import { ObjectStoreUnavailable, type FileRecords, type ObjectStore, type Purpose, type StoredFile } from './ports.ts';

export interface LibraryParts {
  readonly objects: ObjectStore;
  readonly records: FileRecords;
  readonly runtime: Runtime;
  readonly limits: {
    readonly maxFileBytes: number;
    readonly maxAccountBytes: number;
  };
}

/** A file as a client hands it in. */
export interface NewFile {
  readonly accountId: string;
  readonly name: string;
  readonly bytes: Buffer;
  readonly purpose: Purpose;
  readonly createdBy: string | null;
  /** Milliseconds from now; null: until it is deleted. */
  readonly keptMs: number | null;
}

/** A reservation whose bytes have not come after so long belongs to a process that is gone; it is too late for them. */
const RESERVED_MS = 3_600_000;
const SWEPT_AT_ONCE = 100;
const SWEEP_EVERY_MS = 600_000;

/** The files of all accounts: what is known of them and where their bytes lie, kept in step. */
export class Library {
  readonly #parts: LibraryParts;

  constructor(parts: LibraryParts) {
    this.#parts = parts;
  }

  /** Stores a file; it can be found when this resolves. Throws ApiError `request_too_large`, `invalid_request` or `service_unavailable`. */
  async add(file: NewFile): Promise<StoredFile> {
    const { runtime, limits } = this.#parts;
    const { accountId, bytes, purpose, createdBy, keptMs } = file;
    if (bytes.length === 0) throw new ApiError('invalid_request', { detail: 'file: is empty', param: 'file' });
    if (bytes.length > limits.maxFileBytes) {
      const detail = `A file may have at most ${String(limits.maxFileBytes)} bytes.`;
      throw new ApiError('request_too_large', { detail, param: 'file' });
    }
    const now = runtime.clock.now();
    const unique = runtime.ids.uuid().replaceAll('-', '');
    const stored: StoredFile = {
      id: `file-${unique}`,
      accountId,
      name: safeFileName(file.name),
      bytes: bytes.length,
      mediaType: mediaTypeOf(bytes),
      purpose,
      createdBy,
      createdAt: now,
      expiresAt: keptMs === null ? null : now + keptMs,
      objectKey: `file-${unique}`,
    };
    await this.store(stored, bytes, { maxAccountBytes: limits.maxAccountBytes, isFresh: true });
    return stored;
  }

  /**
   * Stores a file that is described already; the same file may be stored again, also by others at the same time. When its
   * bytes cannot be stored, its reservation stays for an hour, unless its id `isFresh`, so that nobody else stores it.
   * Throws as `add`, or StoreUnavailable when its bytes came too late.
   */
  async store(
    file: StoredFile,
    bytes: Uint8Array | AsyncIterable<Uint8Array>,
    { maxAccountBytes = Number.MAX_SAFE_INTEGER, isFresh = false } = {},
  ): Promise<void> {
    const { objects, records } = this.#parts;
    if (!(await records.reserve(file, maxAccountBytes))) {
      const detail = `The files of an account may have at most ${String(maxAccountBytes)} bytes together; delete some first.`;
      throw new ApiError('invalid_request', { detail, param: 'file' });
    }
    const giveUp = async (failure: unknown): Promise<never> => {
      if (isFresh) await this.#takeBack(file);
      throw failure;
    };
    await available(objects.put(file.objectKey, bytes, file.mediaType)).catch(giveUp);
    if (await records.confirm(file.id, RESERVED_MS)) return;
    await giveUp(new StoreUnavailable('the reservation of a file was too old when its bytes had come'));
  }

  /** Throws ApiError `not_found` for a file that the account does not have. */
  async find(accountId: string, id: string): Promise<StoredFile> {
    const file = await this.#parts.records.find(accountId, id, this.#parts.runtime.clock.now());
    if (!file) throw noSuchFile();
    return file;
  }

  /** A file by its id alone, for those whose right to it was checked otherwise. Null when there is none. */
  findAnybodys(id: string): Promise<StoredFile | null> {
    return this.#parts.records.find(null, id, this.#parts.runtime.clock.now());
  }

  list(
    accountId: string,
    query: { purpose: string | null; after: string | null; newestFirst: boolean; limit: number },
  ): Promise<readonly StoredFile[]> {
    return this.#parts.records.list(accountId, { ...query, now: this.#parts.runtime.clock.now() });
  }

  /** Throws ApiError `not_found` or `service_unavailable`. */
  async content(file: StoredFile): Promise<AsyncIterable<Uint8Array>> {
    const bytes = await available(this.#parts.objects.get(file.objectKey));
    if (!bytes) throw noSuchFile();
    return bytes;
  }

  /** The bytes go first: what cannot be read any more may still be listed for a moment, and never the other way round. */
  async remove(accountId: string, id: string): Promise<void> {
    await this.#remove(await this.find(accountId, id));
  }

  /** Removes what has expired and what was never finished. Returns how many of these it found, at most a hundred. */
  async sweep(): Promise<number> {
    const { objects, records, runtime } = this.#parts;
    const when = { now: runtime.clock.now(), reservedForMs: RESERVED_MS };
    const forgotten = await records.forgotten(when, SWEPT_AT_ONCE);
    for (const { id, objectKey } of forgotten) await records.forget(id, when, () => objects.remove(objectKey));
    return forgotten.length;
  }

  /** Sweeps every ten minutes until the result is called; a sweep that fails is logged, and the next one tries again. */
  keepSweeping(): () => void {
    const { timers, log } = this.#parts.runtime;
    let cancel: () => void = () => undefined;
    let stopped = false;
    const later = (): void => {
      if (!stopped) cancel = timers.after(SWEEP_EVERY_MS, () => void sweep());
    };
    const sweep = async (): Promise<void> => {
      try {
        while ((await this.sweep()) === SWEPT_AT_ONCE && !stopped);
      } catch (error) {
        log.warn({ error }, 'expired files could not be removed; the next sweep tries again');
      }
      later();
    };
    later();
    return () => {
      stopped = true;
      cancel();
    };
  }

  /** Of a file that nobody else stores. Never rejects; what stays counts for nothing, and goes with a sweep an hour later. */
  async #takeBack(file: StoredFile): Promise<void> {
    const { records, runtime } = this.#parts;
    try {
      await records.release(file.id);
      await this.#remove(file);
    } catch (error) {
      runtime.log.warn({ error, file: file.id }, 'what there is of a file that could not be stored is left to a sweep');
    }
  }

  async #remove(file: StoredFile): Promise<void> {
    await available(this.#parts.objects.remove(file.objectKey));
    await this.#parts.records.remove(file.id);
  }
}

export function noSuchFile(param = 'file_id'): ApiError {
  return new ApiError('not_found', { detail: 'There is no such file.', param });
}

/** Says to clients that bytes cannot be stored or read just now. */
async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof ObjectStoreUnavailable)) throw cause;
    throw new ApiError('service_unavailable', { retryAfterMs: 1_000, cause });
  }
}
