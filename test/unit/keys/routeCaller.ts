import type { IncomingHttpHeaders } from 'node:http';
import type { Call, Dialect, Reply, Route, SignedInUser } from '../../../services/http/route.ts';

export interface Called {
  readonly reply: Reply;
  readonly dialect: Dialect;
  readonly policy: Route['policy'];
}

/** Calls the handler of the route that a target names, as whoever its policy lets through. */
export async function callRoute(
  routes: readonly Route[],
  caller: SignedInUser,
  [method, target, body]: readonly [method: string, target: string, body?: unknown],
  headers: IncomingHttpHeaders = {},
): Promise<Called> {
  const { pathname, searchParams: query } = new URL(target, 'http://localhost');
  for (const route of routes) {
    const params = matched(route.path, pathname);
    if (route.method !== method || !params || (route.policy !== 'user' && route.policy !== 'admin')) continue;
    const call: Call = { requestId: 'request', headers, params, query, body, remoteAddress: '127.0.0.1' };
    const dialect = typeof route.dialect === 'string' ? route.dialect : route.dialect(call);
    return { reply: await route.handle(call, caller), dialect, policy: route.policy };
  }
  throw new Error(`no route ${method} ${pathname}`);
}

/** The reply's body as a client parses it. */
export function bodyOf({ reply }: Called): Record<string, unknown> {
  return JSON.parse(JSON.stringify(reply.body)) as Record<string, unknown>;
}

/** The parameters of a path, null when it does not match the pattern. */
function matched(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = value;
    else if (part !== value) return null;
  }
  return params;
}
