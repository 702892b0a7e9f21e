/** Where the bytes of files lie. The adapter owns durability; keys are made by us and safe as names of files. */
export interface ObjectStore {
  /**
   * Keeps bytes under a key, replacing what was there; durable when this resolves, and until then what was there stays.
   * Throws ObjectStoreUnavailable, or TypeError for a key that is none of ours. An error of `bytes` is thrown as it is.
   */
  put(key: string, bytes: Uint8Array | AsyncIterable<Uint8Array>, mediaType: string): Promise<void>;
  /** Null when nothing lies there. Throws as `put`, also while the bytes are read. */
  get(key: string): Promise<AsyncIterable<Uint8Array> | null>;
  /** Harmless when nothing lies there. Throws as `put`. */
  remove(key: string): Promise<void>;
}

/** The store did not answer, or not with what it should. The same call may succeed later. */
export class ObjectStoreUnavailable extends Error {
  override readonly name = 'ObjectStoreUnavailable';
}

/** Keys that every store can use as they are: no separators, no dots, nothing to escape. */
const KEY = /^[a-z0-9][a-z0-9-]{0,127}$/;

/** Throws TypeError: a key that is not of our own making is a bug. */
export function assertObjectKey(key: string): void {
  if (!KEY.test(key)) throw new TypeError('the key of an object is none of ours');
}

export const PURPOSES = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const;
export type Purpose = (typeof PURPOSES)[number] | 'batch_output';

/** A file of an account. */
export interface StoredFile {
  readonly id: string;
  readonly accountId: string;
  /** A base name that is safe to show; never a path. */
  readonly name: string;
  readonly bytes: number;
  /** What the bytes are, as far as they tell. */
  readonly mediaType: string;
  readonly purpose: Purpose;
  /** The client's word for who gave it; null when it has none. */
  readonly createdBy: string | null;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Epoch milliseconds; null: kept until it is deleted. */
  readonly expiresAt: number | null;
  readonly objectKey: string;
}

export interface FileQuery {
  readonly purpose: string | null;
  /** The id after which the page begins; null: from the first. */
  readonly after: string | null;
  readonly newestFirst: boolean;
  readonly limit: number;
  /** Epoch milliseconds; what has expired is not there. */
  readonly now: number;
}

/** What makes a file forgotten: it expired before `now`, or was reserved more than `reservedForMs` ago and never confirmed. */
export interface Forgetting {
  /** Epoch milliseconds. */
  readonly now: number;
  /** By the clock of the records, which also says when something was reserved. */
  readonly reservedForMs: number;
}

/** What is known of files. Every method may throw StoreUnavailable. */
export interface FileRecords {
  /**
   * Takes a file down before its bytes are stored, so that no bytes lie anywhere unrecorded. False, and nothing, when
   * the account's files would then be more than `maxAccountBytes`. An id that is there already is replaced, and reserved
   * anew.
   */
  reserve(file: StoredFile, maxAccountBytes: number): Promise<boolean>;
  /**
   * Its bytes are stored; from now on it can be found. False, and nothing, when it was not reserved within the last
   * `reservedForMs`: then it is forgotten or about to be.
   */
  confirm(id: string, reservedForMs: number): Promise<boolean>;
  /** The bytes of a reservation will not come: it counts for nothing until it is removed or forgotten. */
  release(id: string): Promise<void>;
  /** Null for what has expired at `now`, what is not confirmed, and (unless `accountId` is null) another account's. */
  find(accountId: string | null, id: string, now: number): Promise<StoredFile | null>;
  list(accountId: string, query: FileQuery): Promise<readonly StoredFile[]>;
  remove(id: string): Promise<void>;
  /** Those that may be forgotten, at most `limit`. */
  forgotten(when: Forgetting, limit: number): Promise<readonly StoredFile[]>;
  /**
   * Removes a file if it may still be forgotten, after `removeBytes`; while that runs, nobody reserves or confirms the
   * file. When it throws, the file stays, and the error is thrown as it is.
   */
  forget(id: string, when: Forgetting, removeBytes: () => Promise<void>): Promise<void>;
}
