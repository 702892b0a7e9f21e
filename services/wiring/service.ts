import type { Config } from '../../infra/config/config.ts';
import { createMetrics } from '../../infra/telemetry/metrics.ts';
import type { Log } from '../runtime.ts';
import { Closing, openCore } from './core.ts';
import { openDistribution } from './distribution.ts';
import { firstRun, type FirstRun } from './firstRun.ts';
import { openFront } from './front.ts';
import { serveHttp } from './httpServer.ts';
import { openInvoicing } from './invoicing.ts';
import { openPublisher } from './publisher.ts';
import { openReadModels } from './readModels.ts';
import { Readiness } from './readiness.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Everything in one process: relay, projector and worker, and the publisher where there is something to publish to. */
export async function startService(config: Config, log: Log, environment: Environment) {
  const closing = new Closing();
  let baseUrl: string | null = null;
  try {
    const core = await openCore(config, log, () => ({ pid: process.pid, baseUrl }));
    closing.add(() => core.close());
    const metrics = createMetrics();
    const distribution = await openDistribution(config, log);
    if (distribution) {
      closing.add(() => distribution.close());
      const publisher = openPublisher(core, distribution, metrics);
      closing.add(() => publisher.close());
    }
    const readModels = await openReadModels(core, distribution, metrics);
    closing.add(() => readModels.close());
    const front = await openFront(core, readModels, metrics, environment);
    closing.add(() => front.close());
    const { relay, management } = front;
    const invoicing = await openInvoicing(core, readModels);
    closing.add(() => invoicing.close());

    const readiness = new Readiness(core, [front, readModels]);
    const server = await serveHttp(config, core.runtime, metrics, () => readiness.problems(), front.api);
    baseUrl = server.baseUrl;
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
        await relay.drain(config.SHUTDOWN_GRACE_MS);
        await server.close();
        await closing.run();
      },
    };
  } catch (error) {
    await closing.run();
    throw error;
  }
}
export type Service = Awaited<ReturnType<typeof startService>>;
