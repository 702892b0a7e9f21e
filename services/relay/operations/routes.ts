import type { RelayRoute } from '../../http/route.ts';
import type { CountOperation, TokenCounting } from '../http/tokenCounting.ts';
import type { Operation } from '../operation.ts';
import type { Relay } from '../relay.ts';
import { countsTokens, GEMINI_PATH } from './gemini.ts';

/** Every operation as a route; each reaches its upstream through the one engine that holds, meters and settles. */
export function operationRoutes(relay: Relay, operations: readonly Operation[]): readonly RelayRoute[] {
  return operations.map((operation) => ({
    method: 'POST',
    path: operation.path,
    dialect: operation.dialect,
    policy: 'apiKey',
    handle: (request, response) => relay.handle(operation, request, response),
  }));
}

/** Every question for tokens as a route. */
export function countRoutes(counting: TokenCounting, operations: readonly CountOperation[]): readonly RelayRoute[] {
  return operations.map((operation) => ({
    method: 'POST',
    path: operation.path,
    dialect: operation.face.dialect,
    policy: 'apiKey',
    handle: (request, response) => counting.handle(operation, request, response),
  }));
}

/** Gemini's methods share one path, and one of them counts. */
export function geminiRoute(asking: RelayRoute, counting: RelayRoute): RelayRoute {
  return {
    ...asking,
    path: GEMINI_PATH,
    handle: (request, response) => (countsTokens(request.url ?? '') ? counting : asking).handle(request, response),
  };
}
