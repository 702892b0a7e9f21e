import type { IncomingMessage } from 'node:http';

/**
 * Reads a body and calls back once: with it, or with null when it is larger than `maxBytes` (the rest is read and
 * dropped). Never calls back when the sender leaves before the end.
 */
export function readAll(request: IncomingMessage, maxBytes: number, done: (body: Buffer | null) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('end', () => {
    const [first] = chunks;
    if (bytes > maxBytes) done(null);
    else done(first && chunks.length === 1 ? first : Buffer.concat(chunks));
  });
}
