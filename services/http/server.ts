import type { Express } from 'express';
import { createServer, type Server } from 'node:http';
import type { RelayRoute } from './route.ts';

/** Time to send the header, and to send header and body; both end slow-loris connections. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Above the idle time of common load balancers (60 s), so that they close first. */
const KEEP_ALIVE_MS = 65_000;

/** Relay routes straight from node:http, everything else through Express. */
export function createHttpServer(app: Express, relayRoutes: readonly RelayRoute[], maxConnections: number): Server {
  const hot = new Map(relayRoutes.map((route) => [route.path, route]));
  const server = createServer((request, response) => {
    const route = request.method === 'POST' ? hot.get(request.url ?? '') : undefined;
    if (route) route.handle(request, response);
    else app(request, response);
  });
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = maxConnections;
  return server;
}
