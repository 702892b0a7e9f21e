import type { IncomingMessage } from 'node:http';
import type { Incoming } from '../operation.ts';

const NO_QUERY = new URLSearchParams();

/** The request as its operation sees it. A target that is cut or escaped wrongly is simply none that anybody knows. */
export function incomingOf(request: IncomingMessage, path: string, requestId: string): Incoming {
  const target = request.url ?? '';
  const mark = target.indexOf('?');
  const pathname = mark < 0 ? target : target.slice(0, mark);
  return {
    requestId,
    headers: request.headers,
    rest: path.endsWith('*') ? pathname.slice(path.length - 1) : '',
    query: mark < 0 ? NO_QUERY : new URLSearchParams(target.slice(mark + 1)),
  };
}
