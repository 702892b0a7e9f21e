import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError, type Config } from '../../infra/config/config.ts';
import { DEFAULT_PRICE_BOOK, loadPriceBookFile } from '../../infra/pricebook/loadPriceBookFile.ts';
import { createMetrics } from '../../infra/telemetry/metrics.ts';
import { PriceBookRefused } from '../billing/pricebook/priceBookFile.ts';
import { publishPriceBook } from '../billing/pricebook/publishPriceBook.ts';
import { createApp } from '../http/app.ts';
import { probeRoutes } from '../http/probeRoutes.ts';
import { createHttpServer } from '../http/server.ts';
import type { Log, Timers } from '../runtime.ts';
import { Closing, openCore, type Core } from './core.ts';
import { firstRun, type FirstRun } from './firstRun.ts';
import { openInvoicing } from './invoicing.ts';
import { openManagement } from './management.ts';
import { openReadModels, type ReadModelsService } from './readModels.ts';
import { openRelay, type RelayService } from './relay.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A projection further behind than this makes the process unready: holds would stay for too long. */
const MAX_LAG_EVENTS = 100_000n;
const EXPIRY_EVERY_MS = 60_000;
/** Sockets beside those of running calls: keep-alive, probes, management. */
const SPARE_CONNECTIONS = 1_000;
/** For the last bytes of slow readers, when the service stops. */
const LAST_BYTES_MS = 1_000;

/** The embedded profile: relay, projector and worker in one process. */
export async function startService(config: Config, log: Log, environment: Environment) {
  const closing = new Closing();
  let baseUrl: string | null = null;
  try {
    const core = await openCore(config, log, () => ({ pid: process.pid, baseUrl }));
    closing.add(() => core.close());
    await publishFirstPrices(core);
    const readModels = await openReadModels(core);
    closing.add(() => readModels.close());
    const metrics = createMetrics();
    const relay = await openRelay(core, metrics, environment);
    closing.add(() => relay.close());
    const management = await openManagement(core, async (position) => {
      await Promise.all([
        readModels.runner.caughtUp(position, ['keys', 'quota']),
        relay.keyFollower.caughtUp(position),
      ]);
    });
    const invoicing = await openInvoicing(core, readModels);
    closing.add(() => invoicing.close());
    closing.add(expireKeysNowAndThen(core, (now) => management.keys.expireDueKeys(now)));
    registerGauges(metrics, core, readModels, relay);

    const readiness = new ServiceReadiness(core, readModels, relay);
    const app = createApp({
      routes: [...relay.routes, ...management.routes, ...probeRoutes(() => readiness.problems(), metrics)],
      relayRoutes: relay.relayRoutes,
      authenticateUser: management.authenticateUser,
      authenticateKey: (headers) => relay.admission.authenticate(headers),
      runtime: core.runtime,
    });
    const server = createHttpServer(app, relay.relayRoutes, config.MAX_IN_FLIGHT + SPARE_CONNECTIONS, core.runtime.ids);
    baseUrl = await listen(server, config);
    const first: FirstRun = await firstRun(core, management, baseUrl);
    return {
      baseUrl,
      firstRun: first,
      core,
      readModels,
      relay,
      invoicing,
      /** Takes no new calls, lets running ones end within the grace time, settles all, closes everything. */
      async stop(): Promise<void> {
        readiness.drain();
        // Goes on listening meanwhile: probes and new calls are told, and not merely turned away.
        await relay.relay.drain(config.SHUTDOWN_GRACE_MS);
        await closeServer(server, core.runtime.timers);
        await closing.run();
      },
    };
  } catch (error) {
    await closing.run();
    throw error;
  }
}
export type Service = Awaited<ReturnType<typeof startService>>;

/** A fresh log gets its first price book; later ones come by command. Throws ConfigError when PRICE_FILE is none. */
async function publishFirstPrices(core: Core): Promise<void> {
  const { events } = await core.store.readAll({ after: 0n, limit: 1, categories: ['pricebook'] });
  if (events.length > 0) return;
  const contents = await loadPriceBookFile(core.config.PRICE_FILE ?? DEFAULT_PRICE_BOOK).catch((error: unknown) => {
    throw new ConfigError([`PRICE_FILE: ${error instanceof Error ? error.message : String(error)}`]);
  });
  try {
    await publishPriceBook(core.store, contents, core.runtime);
  } catch (error) {
    if (!(error instanceof PriceBookRefused)) throw error;
    throw new ConfigError(error.problems.map((problem) => `PRICE_FILE: ${problem}`));
  }
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

/** Takes no further connection, and lets what has been answered reach its clients. */
async function closeServer(server: Server, timers: Timers): Promise<void> {
  const cancel = timers.after(LAST_BYTES_MS, () => server.closeAllConnections());
  await new Promise((resolve) => server.close(resolve));
  cancel();
}

/** Records expiries; keys are refused from their expiry on without it. */
function expireKeysNowAndThen({ runtime }: Core, expire: (now: number) => Promise<number>): () => Promise<void> {
  let cancel: () => void = () => undefined;
  let running: Promise<unknown> = Promise.resolve();
  const round = (): void => {
    running = expire(runtime.clock.now())
      .catch((error: unknown) => runtime.log.warn({ error }, 'expired keys could not be recorded; trying again'))
      .finally(() => (cancel = runtime.timers.after(EXPIRY_EVERY_MS, round)));
  };
  cancel = runtime.timers.after(EXPIRY_EVERY_MS, round);
  return async () => {
    cancel();
    await running;
    cancel();
  };
}

class ServiceReadiness {
  readonly #core: Core;
  readonly #readModels: ReadModelsService;
  readonly #relay: RelayService;
  #draining = false;

  constructor(core: Core, readModels: ReadModelsService, relay: RelayService) {
    this.#core = core;
    this.#readModels = readModels;
    this.#relay = relay;
  }

  drain(): void {
    this.#draining = true;
  }

  async problems(): Promise<readonly string[]> {
    const problems: string[] = [];
    if (this.#draining) problems.push('shutting down');
    if (this.#relay.settlements.nearFull) problems.push('the settlement journal is nearly full');
    if (!this.#relay.holds.connected) problems.push('holds cannot be taken');
    try {
      const head = await this.#core.store.head();
      for (const { name, position } of this.#readModels.runner.status()) {
        if (head - position > MAX_LAG_EVENTS) problems.push(`the ${name} read model lags behind`);
      }
    } catch (error) {
      this.#core.runtime.log.warn({ error }, 'not ready: the event store does not answer');
      problems.push('the event store does not answer');
    }
    return problems;
  }
}

function registerGauges(
  metrics: ReturnType<typeof createMetrics>,
  core: Core,
  readModels: ReadModelsService,
  relay: RelayService,
): void {
  const perProjection = (read: (status: ReturnType<typeof readModels.runner.status>[number]) => number) => () =>
    Object.fromEntries(readModels.runner.status().map((status) => [status.name, read(status)]));
  metrics.gauge(
    'projection_position',
    'Log position of each read model',
    perProjection((s) => Number(s.position)),
  );
  metrics.gauge(
    'projection_parked_accounts',
    'Accounts passed over because of a poison event',
    perProjection((s) => s.parked),
  );
  metrics.gauge('journal_pending', 'Settlements waiting in the local journal', () => relay.settlements.pending);
  metrics.gauge('journal_bytes', 'Size of the local journal', () => relay.settlements.bytes);
  metrics.gauge(
    'journal_quarantined',
    'Settlements that the store will never take',
    () => relay.settlements.quarantined,
  );
  metrics.gauge('holds_waiting', 'Calls waiting for their hold', () => relay.holds.waiting);
  metrics.gauge('holds_open_slots', 'Concurrency slots taken', () => relay.holds.openSlots);
  metrics.gauge('reaper_settled', 'Holds settled by the reaper', () => relay.reaper.counts.reaped);
  metrics.gauge('followed_position', 'Log position of the key index', () => Number(relay.keyFollower.position));
  core.runtime.log.info({ data: core.config.DATA_DIR }, 'the service is wired');
}
