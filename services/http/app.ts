import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import helmet from 'helmet';
import type { IncomingHttpHeaders } from 'node:http';
import type { KeyPlaces } from '../relay/http/presentedKey.ts';
import type { CallerKey } from '../relay/ports.ts';
import type { Runtime } from '../runtime.ts';
import { asApiError } from './asApiError.ts';
import { ApiError } from './errors.ts';
import { renderError } from './renderError.ts';
import { sendDownload } from './sendDownload.ts';
import type { Call, Dialect, RelayRoute, Reply, Route, SignedInUser } from './route.ts';

export interface AppParts {
  readonly routes: readonly Route[];
  readonly relayRoutes: readonly RelayRoute[];
  /** Throws ApiError `invalid_token`. */
  authenticateUser(headers: IncomingHttpHeaders): Promise<SignedInUser>;
  /** Whether a signed-in user is an administrator now; a token does not say. */
  isAdmin(user: SignedInUser): Promise<boolean>;
  /** Throws ApiError 401 or 403. */
  authenticateKey(headers: IncomingHttpHeaders, query: URLSearchParams, places?: KeyPlaces): CallerKey;
  readonly runtime: Runtime;
}

/** Management bodies are small; relay routes have a limit of their own. */
const MAX_BODY = '64kb';

/** The Express application: exactly the routes of the table, each behind its policy, and refusals in each dialect's shape. */
export function createApp(parts: AppParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('trust proxy', false);
  app.set('query parser', false);
  app.use(helmet());
  app.use((_request, response, next) => {
    response.locals['requestId'] = parts.runtime.ids.uuid();
    response.setHeader('x-request-id', requestIdOf(response));
    next();
  });
  for (const route of parts.relayRoutes) {
    app.post(expressPath(route.path), (request, response) => route.handle(request, response));
  }
  const parseJson = express.json({ limit: MAX_BODY, strict: true });
  for (const route of parts.routes) {
    app.route(route.path)[METHOD_NAMES[route.method]](withDialect(route.dialect), parseJson, asHandler(route, parts));
  }
  for (const [path, dialect, methods] of placesOf(parts)) {
    app.all(path, withDialect(dialect), (_request, response) => {
      response.setHeader('allow', methods);
      throw new ApiError('method_not_allowed');
    });
  }
  app.use(() => {
    throw new ApiError('not_found');
  });
  app.use(errorHandler(parts.runtime));
  return app;
}

/** Every path with its dialect and the methods that it answers, as `Allow` lists them. */
function placesOf(parts: AppParts): readonly (readonly [path: string, dialect: Route['dialect'], methods: string])[] {
  const relayRoutes = parts.relayRoutes.map(({ method, path, dialect }) => ({
    method,
    path: expressPath(path),
    dialect,
  }));
  const byPath = Map.groupBy([...parts.routes, ...relayRoutes], ({ path }) => path);
  return [...byPath].map(([path, routes]) => [
    path,
    routes[0]?.dialect ?? 'openai',
    routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', '),
  ]);
}

/** A `*` at the end stands for whatever follows. */
function expressPath(path: string): string {
  return path.endsWith('*') ? `${path}rest` : path;
}

const METHOD_NAMES = { GET: 'get', POST: 'post', PUT: 'put', PATCH: 'patch', DELETE: 'delete' } as const;

function withDialect(dialect: Route['dialect']): RequestHandler {
  return (request, response, next) => {
    const { headers, url } = request;
    response.locals['dialect'] = typeof dialect === 'string' ? dialect : dialect({ headers, query: queryOf(url) });
    next();
  };
}

function asHandler(route: Route, parts: AppParts): RequestHandler {
  return async (request, response) => {
    await send(response, await authorised(route, request, asCall(request, response), parts));
  };
}

async function authorised(route: Route, request: Request, call: Call, parts: AppParts): Promise<Reply> {
  switch (route.policy) {
    case 'public':
      return route.handle(call);
    case 'apiKey':
      return route.handle(call, parts.authenticateKey(request.headers, call.query, route.keyPlaces));
    case 'user':
      return route.handle(call, await parts.authenticateUser(request.headers));
    case 'admin': {
      const user = await parts.authenticateUser(request.headers);
      if (!(await parts.isAdmin(user))) throw new ApiError('admin_required');
      return route.handle(call, user);
    }
  }
}

function asCall(request: Request, response: Response): Call {
  return {
    requestId: requestIdOf(response),
    headers: request.headers,
    params: Object.fromEntries(Object.entries(request.params).map(([name, value]) => [name, joined(value)])),
    query: queryOf(request.url),
    body: request.body as unknown,
    remoteAddress: request.socket.remoteAddress ?? 'unknown',
  };
}

/** Express gives what a wildcard stands for in pieces. */
function joined(value: string | string[]): string {
  return typeof value === 'string' ? value : value.join('/');
}

/** Whatever stands after the first `?`; unlike a URL this cannot be malformed. */
function queryOf(target: string): URLSearchParams {
  const mark = target.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
}

async function send(response: Response, reply: Reply): Promise<void> {
  const begin = (): unknown => response.status(reply.status).set(reply.headers ?? {});
  if (reply.download) {
    await sendDownload(response, reply.download, begin);
    return;
  }
  begin();
  if (reply.body === undefined) response.end();
  else if (typeof reply.body === 'string') response.send(reply.body);
  else response.json(reply.body);
}

function errorHandler(runtime: Runtime): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const told = asRouteError(error);
    const requestId = requestIdOf(response);
    if (told.code === 'internal_error') runtime.log.error({ error, requestId }, 'a management call failed');
    const { status, body, headers } = renderError(told, dialectOf(request, response), requestId);
    response.status(status).set(headers).json(body);
  };
}

/** Express and its body parser have errors of their own. */
function asRouteError(error: unknown): ApiError {
  const told = asApiError(error);
  if (told.code !== 'internal_error' || error instanceof ApiError) return told;
  switch ((error as { type?: unknown } | null)?.type) {
    case 'entity.too.large':
      return new ApiError('request_too_large', { cause: error });
    case 'entity.parse.failed':
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return new ApiError('invalid_json', { cause: error });
    case 'request.aborted':
    case 'request.size.invalid':
      return new ApiError('invalid_request', { cause: error });
    default:
      if (error instanceof URIError) {
        return new ApiError('invalid_request', { detail: 'The path is not valid.', cause: error });
      }
      return new ApiError(isClientFault(error) ? 'invalid_request' : 'internal_error', { cause: error });
  }
}

/** Express and its body parser mark what the client did wrong, such as a broken gzip body, with a status of its own. */
function isClientFault(error: unknown): boolean {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500;
}

const PREFIXES: readonly (readonly [string, Dialect])[] = [
  ['/v1beta/', 'gemini'],
  ['/v1/messages', 'claude'],
  ['/api/ai-', 'ollama'],
  ['/api/', 'aihub'],
];

/** Errors before a route is matched follow the path's prefix. */
function dialectOf(request: Request, response: Response): Dialect {
  const matched = response.locals['dialect'] as Dialect | undefined;
  if (matched) return matched;
  return PREFIXES.find(([prefix]) => request.path.startsWith(prefix))?.[1] ?? 'openai';
}

function requestIdOf(response: Response): string {
  return response.locals['requestId'] as string;
}
