import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import helmet from 'helmet';
import type { IncomingHttpHeaders } from 'node:http';
import { StoreUnavailable } from '../../events/eventStore.ts';
import type { CallerKey } from '../relay/ports.ts';
import type { Runtime } from '../runtime.ts';
import { ApiError } from './errors.ts';
import { renderError } from './renderError.ts';
import type { Call, Dialect, RelayRoute, Reply, Route, SignedInUser } from './route.ts';

export interface AppParts {
  readonly routes: readonly Route[];
  readonly relayRoutes: readonly RelayRoute[];
  /** Throws ApiError `invalid_token`. */
  authenticateUser(headers: IncomingHttpHeaders): Promise<SignedInUser>;
  /** Throws ApiError 401 or 403. */
  authenticateKey(headers: IncomingHttpHeaders): CallerKey;
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
    app.post(route.path, (request, response) => route.handle(request, response));
  }
  const parseJson = express.json({ limit: MAX_BODY, strict: true });
  for (const route of parts.routes) {
    app.route(route.path)[methodName(route.method)](withDialect(route.dialect), parseJson, asHandler(route, parts));
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
function placesOf(parts: AppParts): readonly (readonly [path: string, dialect: Dialect, methods: string])[] {
  const relayRoutes = parts.relayRoutes.map(({ method, path }) => ({ method, path, dialect: 'openai' as const }));
  const byPath = Map.groupBy([...parts.routes, ...relayRoutes], ({ path }) => path);
  return [...byPath].map(([path, routes]) => [
    path,
    routes[0]?.dialect ?? 'openai',
    routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', '),
  ]);
}

function methodName(method: Route['method']): 'get' | 'post' | 'patch' | 'delete' {
  return ({ GET: 'get', POST: 'post', PATCH: 'patch', DELETE: 'delete' } as const)[method];
}

function withDialect(dialect: Dialect): RequestHandler {
  return (_request, response, next) => {
    response.locals['dialect'] = dialect;
    next();
  };
}

function asHandler(route: Route, parts: AppParts): RequestHandler {
  return async (request, response) => {
    send(response, await authorised(route, request, asCall(request, response), parts));
  };
}

async function authorised(route: Route, request: Request, call: Call, parts: AppParts): Promise<Reply> {
  switch (route.policy) {
    case 'public':
      return route.handle(call);
    case 'apiKey':
      return route.handle(call, parts.authenticateKey(request.headers));
    case 'user':
      return route.handle(call, await parts.authenticateUser(request.headers));
  }
}

function asCall(request: Request, response: Response): Call {
  return {
    requestId: requestIdOf(response),
    headers: request.headers,
    params: Object.fromEntries(Object.entries(request.params).map(([name, value]) => [name, String(value)])),
    query: queryOf(request.url),
    body: request.body as unknown,
    remoteAddress: request.socket.remoteAddress ?? 'unknown',
  };
}

/** Whatever stands after the first `?`; unlike a URL this cannot be malformed. */
function queryOf(target: string): URLSearchParams {
  const mark = target.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
}

function send(response: Response, reply: Reply): void {
  response.status(reply.status).set(reply.headers ?? {});
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
    const told = asApiError(error);
    const requestId = requestIdOf(response);
    if (told.code === 'internal_error') runtime.log.error({ error, requestId }, 'a management call failed');
    const { body, headers } = renderError(told, dialectOf(request, response), requestId);
    response.status(told.status).set(headers).json(body);
  };
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreUnavailable)
    return new ApiError('service_unavailable', { retryAfterMs: 1_000, cause: error });
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

/** Errors before a route is matched follow the path's prefix. */
function dialectOf(request: Request, response: Response): Dialect {
  const matched = response.locals['dialect'] as Dialect | undefined;
  if (matched) return matched;
  return request.path.startsWith('/api/') ? 'aihub' : 'openai';
}

function requestIdOf(response: Response): string {
  return response.locals['requestId'] as string;
}
