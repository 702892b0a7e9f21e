import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../../infra/config/config.ts';
import type { Metrics } from '../../infra/telemetry/metrics.ts';
import { createApp, type AppParts } from '../http/app.ts';
import { ApiError } from '../http/errors.ts';
import { probeRoutes, type Readiness } from '../http/probeRoutes.ts';
import { createHttpServer, type Upgrades } from '../http/server.ts';
import type { Runtime, Timers } from '../runtime.ts';

/** Sockets beside those of running calls: keep-alive, probes, management. */
const SPARE_CONNECTIONS = 1_000;
/** For the last bytes of slow readers, when the process stops. */
const LAST_BYTES_MS = 1_000;

export interface ListeningServer {
  readonly baseUrl: string;
  /** Takes no further connection, and lets what has been answered reach its clients. */
  close(): Promise<void>;
}

/** What is served beside the probes. */
export type Api = Omit<AppParts, 'runtime'> & { readonly upgrades?: Upgrades };

/** A process without an API of its own answers probes only. */
const NOBODY_SIGNS_IN: Pick<AppParts, 'authenticateUser' | 'isAdmin' | 'authenticateKey'> = {
  authenticateUser: () => Promise.reject(new ApiError('invalid_token')),
  isAdmin: () => Promise.resolve(false),
  authenticateKey: () => {
    throw new ApiError('invalid_api_key');
  },
};

/** Serves the routes of an API, if there is one, and the probes of the process, on HOST and PORT. */
export async function serveHttp(
  config: Config,
  runtime: Runtime,
  metrics: Metrics,
  readiness: Readiness,
  api: Api = { routes: [], relayRoutes: [], ...NOBODY_SIGNS_IN },
): Promise<ListeningServer> {
  const app = createApp({ ...api, routes: [...api.routes, ...probeRoutes(readiness, metrics)], runtime });
  const maxConnections = config.MAX_IN_FLIGHT + SPARE_CONNECTIONS;
  const server = createHttpServer(app, api.relayRoutes, maxConnections, runtime.ids, api.upgrades);
  const baseUrl = await listen(server, config);
  return { baseUrl, close: () => closeServer(server, runtime.timers) };
}

function listen(server: Server, { HOST, PORT }: Config): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const inUse = new Error(`${HOST}:${String(PORT)} is in use: choose another PORT, or stop what listens there`, {
        cause,
      });
      reject(cause.code === 'EADDRINUSE' ? inUse : cause);
    });
    server.listen(PORT, HOST, () => {
      const { port } = server.address() as AddressInfo;
      resolve(`http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${String(port)}`);
    });
  });
}

async function closeServer(server: Server, timers: Timers): Promise<void> {
  const cancel = timers.after(LAST_BYTES_MS, () => server.closeAllConnections());
  await new Promise((resolve) => server.close(resolve));
  cancel();
}
