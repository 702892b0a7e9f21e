import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseConfig } from '../../infra/config/config.ts';
import { accountStream } from '../../events/ids.ts';
import { NO_LIMITS, type Limits } from '../../events/quota/limits.ts';
import { accountDecider } from '../../services/accounts/account.decider.ts';
import { handle } from '../../services/decider.ts';
import { startService, type Service } from '../../services/wiring/service.ts';
import { Books } from './books.ts';
import { silentLog } from './log.ts';
import { testDatabase } from './postgres.ts';
import { freshDirectory } from './serviceProcess.ts';

/** Entries of a channels file. */
export type ChannelEntries = readonly Readonly<Record<string, unknown>>[];

/** Writes a channels file beside the service's data and returns its path. YAML is a superset of JSON. */
export async function channelsFile(dataDir: string, channels: ChannelEntries): Promise<string> {
  const file = path.join(dataDir, 'channels.yaml');
  await writeFile(file, JSON.stringify({ channels }));
  return file;
}

/** The whole service inside the test's own process, on a database and a data directory of its own. */
export class HostedService {
  readonly service: Service;
  readonly books: Books;
  readonly #dispose: () => Promise<void>;

  static async start(
    channels: ChannelEntries,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<HostedService> {
    const dataDir = await freshDirectory();
    const database = await testDatabase();
    const config = parseConfig({
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
      CHANNELS_FILE: await channelsFile(dataDir, channels),
      ...settings,
    });
    const service = await startService(config, silentLog, {});
    const books = new Books(database.url);
    return new HostedService(service, books, async () => {
      await service.stop();
      await books.close();
      await database.close();
      await rm(dataDir, { recursive: true, force: true });
    });
  }

  private constructor(service: Service, books: Books, dispose: () => Promise<void>) {
    this.service = service;
    this.books = books;
    this.#dispose = dispose;
  }

  get baseUrl(): string {
    return this.service.baseUrl;
  }

  /** Replaces what an account may use; holds are decided by it when this resolves. */
  async setAccountLimits(accountId: string, limits: Partial<Limits>): Promise<void> {
    const { store, runtime } = this.service.core;
    const handled = await handle(store, accountDecider, accountStream(accountId), {
      type: 'SetAccountLimits',
      accountId,
      limits: { ...NO_LIMITS, ...limits },
      reason: 'test',
      commandId: runtime.ids.uuid(),
      correlationId: 'test',
      now: runtime.clock.now(),
    });
    if (!handled.ok || handled.position === null) throw new Error('the limits were not set');
    await this.service.readModels.caughtUp(handled.position);
    await this.service.relay.keyFollower.caughtUp(handled.position);
  }

  async dispose(): Promise<void> {
    await this.#dispose();
  }
}
