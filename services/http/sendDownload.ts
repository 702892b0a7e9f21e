import type { ServerResponse } from 'node:http';

/** A client that reads nothing for so long has its connection ended: what it keeps open is needed by others. */
const STALL_MS = 10_000;

/**
 * Sends bytes as the client takes them. The head is begun by `begin` once there is a first piece, so that bytes which
 * cannot be read are still answered with an error; an error after that is thrown too, and the answer cannot be whole.
 * Ends quietly when the client leaves, or reads nothing for `stallMs`.
 */
export async function sendDownload(
  response: ServerResponse,
  chunks: AsyncIterable<Uint8Array>,
  begin: () => void,
  stallMs = STALL_MS,
): Promise<void> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    let piece = await iterator.next();
    begin();
    while (piece.done !== true && !response.destroyed) {
      if (!response.write(piece.value)) await readyForMore(response, stallMs);
      piece = await iterator.next();
    }
    response.end();
  } finally {
    await iterator.return?.();
  }
}

function readyForMore(response: ServerResponse, stallMs: number): Promise<void> {
  return new Promise((resolve) => {
    const stalled = (): void => void response.destroy();
    const ready = (): void => {
      response.off('drain', ready).off('close', ready).setTimeout(0).off('timeout', stalled);
      resolve();
    };
    response.on('drain', ready).on('close', ready).setTimeout(stallMs).on('timeout', stalled);
    if (response.destroyed) ready();
  });
}
