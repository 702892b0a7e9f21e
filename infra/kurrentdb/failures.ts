import { StoreUnavailable, type ExpectedRevision } from '../../events/eventStore.ts';

/** What errors of the client look like: those of commands have a type, raw ones of gRPC only a code. */
interface ClientError extends Error {
  readonly type?: unknown;
  readonly code?: unknown;
  readonly actualState?: unknown;
}

/** gRPC status codes. */
const CANCELLED = 1;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

/** Refusals that no repetition changes. */
const FINAL_TYPES = new Set(['stream-deleted', 'stream-tombstoned', 'invalid-argument', 'invalid-transaction']);
const TOO_LARGE_TYPES = new Set(['maximum-append-size-exceeded', 'append-record-size-exceeded']);
/** A refusal of one large event has no type in client 1.3.1, only these words. */
const TOO_LARGE_WORDS = /maximum append (event )?size/i;

/** The end of the stream that a wrong claim met, or null for any other error. */
export function actualRevision(error: unknown): ExpectedRevision | null {
  if (!isClientError(error) || error.type !== 'wrong-expected-version') return null;
  return typeof error.actualState === 'bigint' ? error.actualState : 'no_stream';
}

export function isStreamNotFound(error: unknown): boolean {
  return isClientError(error) && error.type === 'stream-not-found';
}

/** Whether it is an answer that the port has a word for, and no failure. */
export function isExpected(error: unknown): boolean {
  return actualRevision(error) !== null || isStreamNotFound(error);
}

/** Whether the server answered, however it refused: then the connection works. */
export function isAnswer(error: unknown): boolean {
  return isExpected(error) || !(asStoreError(error, '') instanceof StoreUnavailable);
}

/** Whether the client gets over it by itself, if its connection has ever worked. */
export function mendsItself(error: unknown): boolean {
  if (!isClientError(error)) return false;
  return error.code === UNAVAILABLE || error.code === CANCELLED || error.type === 'unavailable';
}

/** The error as callers of the port know it: StoreUnavailable when it may pass, TypeError or Error when it will not. */
export function asStoreError(error: unknown, doing: string): Error {
  if (error instanceof StoreUnavailable) return error;
  if (isClientError(error)) {
    if (TOO_LARGE_TYPES.has(String(error.type)) || TOO_LARGE_WORDS.test(error.message)) {
      return new TypeError(
        `${doing}: KurrentDB takes no append this large; its MaxAppendSize is 1 MiB unless configured`,
        {
          cause: error,
        },
      );
    }
    if (FINAL_TYPES.has(String(error.type)) || error.code === INVALID_ARGUMENT) {
      return new Error(`${doing}: KurrentDB refused for good`, { cause: error });
    }
    if (error.code === DEADLINE_EXCEEDED) return new StoreUnavailable(`${doing}: no answer in time`, { cause: error });
  }
  return new StoreUnavailable(`${doing}: KurrentDB did not answer`, { cause: error });
}

function isClientError(error: unknown): error is ClientError {
  return error instanceof Error;
}
