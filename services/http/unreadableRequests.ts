import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Ids } from '../runtime.ts';
import { ApiError, type ErrorCode } from './errors.ts';
import { renderError } from './renderError.ts';

/** node:http keeps the answer that a socket carries just now here, and its own handler asks the same. */
type HttpSocket = Socket & { readonly _httpMessage?: ServerResponse | null };

/** A client that neither sends nor closes for this long after its answer is cut off. */
const LINGER_MS = 2_000;

const CODE_OF: ReadonlyMap<string | undefined, ErrorCode> = new Map([
  ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'request_timeout'],
]);

/**
 * Answers what node:http cannot read as a request, or what does not arrive in time, in the shape that clients know; by
 * itself it would answer without a body, and in place of requests before it that are still being answered. The
 * connection ends, because nobody knows where its next request would start.
 */
export function answerUnreadable(server: Server, ids: Ids): void {
  const answered = new WeakSet<Socket>();
  server.on('clientError', (cause: NodeJS.ErrnoException, socket: HttpSocket) => {
    // What still comes after the first mistake is read and forgotten; closing now would reset the connection under our answer.
    if (answered.has(socket)) return;
    answered.add(socket);
    afterEarlierAnswers(socket, () => {
      if (socket.writable && !socket._httpMessage?.headersSent) {
        socket.setTimeout(LINGER_MS, () => socket.destroy());
        socket.end(wholeAnswer(errorOf(cause), ids.uuid()));
      } else socket.destroy();
    });
  });
}

/** An answer to a request that has arrived whole is none of the unreadable one's. */
function afterEarlierAnswers(socket: HttpSocket, action: () => void): void {
  const answer = socket._httpMessage;
  if (answer?.req.complete) answer.once('close', () => afterEarlierAnswers(socket, action));
  else action();
}

function errorOf(cause: NodeJS.ErrnoException): ApiError {
  const code = CODE_OF.get(cause.code);
  if (code) return new ApiError(code, { cause });
  return new ApiError('invalid_request', { detail: 'This is not a valid HTTP request.', cause });
}

function wholeAnswer(error: ApiError, requestId: string): string {
  const { body, headers } = renderError(error, 'openai', requestId);
  const text = JSON.stringify(body);
  const lines = Object.entries({
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${String(error.status)} ${STATUS_CODES[error.status] ?? ''}\r\n${lines.join('')}\r\n${text}`;
}
