import type { IncomingMessage } from 'node:http';
import { ApiError } from '../../http/errors.ts';
import type { ClientConnection } from './clientConnection.ts';

/**
 * The whole body, at most `maxBytes`. Throws ApiError `request_too_large` before reading more, or
 * `unsupported_media_type`; rejects with `invalid_request` when the client stops sending, and with `service_unavailable`
 * when the call is ended from our side, which must not wait for a client that is slow to send.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  client?: Pick<ClientConnection, 'whenGone'>,
  bodyType: 'json' | 'multipart' = 'json',
): Promise<Buffer> {
  const contentType = request.headers['content-type'];
  if (!isOfType(contentType, bodyType)) throw new ApiError('unsupported_media_type');
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw new ApiError('request_too_large');
  return new Promise((resolve, reject) => {
    client?.whenGone(() => reject(new ApiError('service_unavailable', { retryAfterMs: 1_000 })));
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      // Read on and discard, within the server's request timeout: closing now would reset the connection under our answer.
      chunks.length = 0;
      reject(new ApiError('request_too_large'));
    });
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on('error', (cause) =>
      reject(new ApiError('invalid_request', { detail: 'The body was cut short.', cause })),
    );
    request.on('close', () => {
      if (!request.complete) reject(new ApiError('invalid_request', { detail: 'The body was cut short.' }));
    });
  });
}

/** Many clients of JSON routes state no type; a form cannot be read without its boundary. */
function isOfType(contentType: string | undefined, bodyType: 'json' | 'multipart'): boolean {
  if (bodyType === 'multipart') return /^multipart\/form-data\b/i.test(contentType ?? '');
  return contentType === undefined || /^application\/([\w.+-]*\+)?json\b/i.test(contentType);
}
