import type { ServerResponse } from 'node:http';

/**
 * Sends bytes as the client takes them. The head is begun by `begin` once there is a first piece, so that bytes which
 * cannot be read are still answered with an error; an error after that is thrown too, and the answer cannot be whole.
 * Ends quietly when the client leaves.
 */
export async function sendDownload(
  response: ServerResponse,
  chunks: AsyncIterable<Uint8Array>,
  begin: () => void,
): Promise<void> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    let piece = await iterator.next();
    begin();
    while (piece.done !== true && !response.destroyed) {
      if (!response.write(piece.value)) await readyForMore(response);
      piece = await iterator.next();
    }
    response.end();
  } finally {
    await iterator.return?.();
  }
}

function readyForMore(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const ready = (): void => {
      response.off('drain', ready).off('close', ready);
      resolve();
    };
    response.on('drain', ready).on('close', ready);
    if (response.destroyed) ready();
  });
}
