import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseConfig } from '../../infra/config/config.ts';
import { accountStream } from '../../events/ids.ts';
import { NO_LIMITS, type Limits } from '../../events/quota/limits.ts';
import { accountDecider } from '../../services/accounts/account.decider.ts';
import { handle } from '../../services/decider.ts';
import { Closing } from '../../services/wiring/core.ts';
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
  readonly #settings: Readonly<Record<string, string>>;
  readonly #closing = new Closing();

  static async start(
    channels: ChannelEntries,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<HostedService> {
    const database = await testDatabase();
    const dataDir = await freshDirectory();
    const file = await channelsFile(dataDir, channels);
    const all = { PORT: '0', DATABASE_URL: database.url, CHANNELS_FILE: file, ...settings };
    const books = new Books(database.url);
    const service = await startService(parseConfig({ ...all, DATA_DIR: dataDir }), silentLog, {});
    const hosted = new HostedService(service, books, all);
    hosted.#closing.add(() => rm(dataDir, { recursive: true, force: true }));
    hosted.#closing.add(() => database.close());
    hosted.#closing.add(() => books.close());
    hosted.#closing.add(() => service.stop());
    return hosted;
  }

  private constructor(service: Service, books: Books, settings: Readonly<Record<string, string>>) {
    this.service = service;
    this.books = books;
    this.#settings = settings;
  }

  /** One more service on the same database, as a second process would be. Ends with this one. */
  async startAnother(): Promise<Service> {
    const dataDir = await freshDirectory();
    const another = await startService(parseConfig({ ...this.#settings, DATA_DIR: dataDir }), silentLog, {});
    this.#closing.add(() => rm(dataDir, { recursive: true, force: true }));
    this.#closing.add(() => another.stop());
    return another;
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
    await this.#closing.run();
  }
}
