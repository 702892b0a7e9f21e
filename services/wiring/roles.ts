import { ConfigError, type Config, type Role } from '../../infra/config/config.ts';
import { createMetrics, type Metrics } from '../../infra/telemetry/metrics.ts';
import type { Log } from '../runtime.ts';
import { attachCore, Closing, openCore, type Core } from './core.ts';
import { openDistribution } from './distribution.ts';
import { openFront } from './front.ts';
import { serveHttp } from './httpServer.ts';
import { openInvoicing } from './invoicing.ts';
import { openPublisher } from './publisher.ts';
import { Readiness, type ReadyPart } from './readiness.ts';
import { openReadModels, watchReadModels } from './readModels.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface RunningProcess {
  readonly baseUrl: string;
  /** Takes no new work, ends what is in hand within the grace time, closes everything. */
  stop(): Promise<void>;
}

/** One part of an installation in a process of its own. */
export type PartRole = Exclude<Role, 'all'>;

/** Starts a process of a role; `parseConfig` has checked that it is told what it needs. */
export function startRole(role: PartRole, config: Config, log: Log, environment: Environment): Promise<RunningProcess> {
  switch (role) {
    case 'relay':
      return startRelay(config, log, environment);
    case 'projector':
      return startPart(config, log, async (core, metrics, closing) => {
        const distribution = await openDistribution(config, log);
        if (distribution) closing.add(() => distribution.close());
        return openReadModels(core, distribution, metrics);
      });
    case 'publisher':
      return startPart(config, log, async (core, metrics, closing) => {
        const distribution = await openDistribution(config, log);
        if (!distribution) throw new ConfigError(['KAFKA_BROKERS: is needed by a publisher process']);
        closing.add(() => distribution.close());
        return openPublisher(core, distribution, metrics);
      });
    case 'worker':
      return startPart(config, log, async (core) => {
        const readModels = await watchReadModels(core);
        const invoicing = await openInvoicing(core, readModels);
        return { problems: () => [], close: () => invoicing.close() };
      });
  }
}

async function startRelay(config: Config, log: Log, environment: Environment): Promise<RunningProcess> {
  const closing = new Closing();
  let baseUrl: string | null = null;
  try {
    const core = await openCore(config, log, () => ({ pid: process.pid, baseUrl }));
    closing.add(() => core.close());
    const metrics = createMetrics();
    const front = await openFront(core, await watchReadModels(core), metrics, environment);
    closing.add(() => front.close());
    const readiness = new Readiness(core, [front]);
    const server = await serveHttp(config, core.runtime, metrics, () => readiness.problems(), front.api);
    baseUrl = server.baseUrl;
    return {
      baseUrl,
      async stop() {
        readiness.drain();
        await front.relay.drain(config.SHUTDOWN_GRACE_MS);
        await server.close();
        await closing.run();
      },
    };
  } catch (error) {
    await closing.run();
    throw error;
  }
}

/** A process that nobody calls: it works by itself and answers probes. */
async function startPart(
  config: Config,
  log: Log,
  open: (core: Core, metrics: Metrics, closing: Closing) => Promise<ReadyPart & { close(): Promise<void> }>,
): Promise<RunningProcess> {
  const closing = new Closing();
  try {
    const core = await attachCore(config, log);
    closing.add(() => core.close());
    const metrics = createMetrics();
    const part = await open(core, metrics, closing);
    closing.add(() => part.close());
    const readiness = new Readiness(core, [part]);
    const server = await serveHttp(config, core.runtime, metrics, () => readiness.problems());
    return {
      baseUrl: server.baseUrl,
      async stop() {
        readiness.drain();
        await server.close();
        await closing.run();
      },
    };
  } catch (error) {
    await closing.run();
    throw error;
  }
}
