import type { RelayRoute } from '../../http/route.ts';
import type { CountOperation, TokenCounting } from '../http/tokenCounting.ts';
import type { Operation } from '../operation.ts';
import type { Relay } from '../relay.ts';
import { countsTokens } from './gemini.ts';

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

/** Gemini's methods share a path, and one of them counts. Both lists have the same paths, in the same order. */
export function geminiRoutes(asking: readonly RelayRoute[], counting: readonly RelayRoute[]): readonly RelayRoute[] {
  return asking.map((route, at) => ({
    ...route,
    handle: (request, response) =>
      (countsTokens(request.url ?? '') ? (counting[at] ?? route) : route).handle(request, response),
  }));
}
