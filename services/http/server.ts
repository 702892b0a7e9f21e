import type { Express } from 'express';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Ids } from '../runtime.ts';
import type { RelayRoute } from './route.ts';
import { answerUnreadable } from './unreadableRequests.ts';

/** Time to send the header, and to send header and body; both end slow-loris connections. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often they are looked at, and so how late they may end a connection. */
const TIMEOUT_CHECK_MS = 2_000;
/** Above the idle time of common load balancers (60 s), so that they close first. */
const KEEP_ALIVE_MS = 65_000;

/** Connections that leave HTTP. A request that asks to and is not wanted is answered as if it had not asked. */
export interface Upgrades {
  wants(request: IncomingMessage): boolean;
  /** Owns the request's socket from here on; `head` is what has already come of the other protocol. Never throws. */
  handle(request: IncomingMessage, head: Buffer): void;
}

/** Relay routes straight from node:http, everything else through Express. `ids` name the requests that neither could read. */
export function createHttpServer(
  app: Express,
  relayRoutes: readonly RelayRoute[],
  maxConnections: number,
  ids: Ids,
  upgrades: Upgrades = NO_UPGRADES,
): Server {
  const find = finderOf(relayRoutes);
  const listener: RequestListener = (request, response) => {
    const route = request.method === 'POST' ? find(request.url ?? '') : undefined;
    if (route) route.handle(request, response);
    else app(request, response);
  };
  const shouldUpgradeCallback = (request: IncomingMessage): boolean => upgrades.wants(request);
  const server = createServer({ connectionsCheckingInterval: TIMEOUT_CHECK_MS, shouldUpgradeCallback }, listener);
  server.on('upgrade', (request, _socket, head) => upgrades.handle(request, head));
  // An expectation that nobody knows is ignored, which RFC 9110 section 10.1.1 allows; node would answer 417 without a body.
  server.on('checkExpectation', listener);
  answerUnreadable(server, ids);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = maxConnections;
  return server;
}

const NO_UPGRADES: Upgrades = { wants: () => false, handle: ({ socket }) => socket.destroy() };

function finderOf(routes: readonly RelayRoute[]): (target: string) => RelayRoute | undefined {
  const exact = new Map(routes.map((route) => [route.path, route]));
  const open = routes
    .filter(({ path }) => path.endsWith('*'))
    .map((route) => ({ route, prefix: route.path.slice(0, -1) }));
  return (target) => {
    const found = exact.get(target);
    if (found) return found;
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    return exact.get(path) ?? open.find(({ prefix }) => path.startsWith(prefix))?.route;
  };
}
