import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { PartRole } from '../../services/wiring/roles.ts';
import { Closing } from '../../services/wiring/core.ts';
import { Books } from './books.ts';
import { channelsFile, type ChannelEntries } from './hostedService.ts';
import { testDatabase } from './postgres.ts';
import { freshDirectory, startRoleProcess, type RoleProcess } from './serviceProcess.ts';

export interface InstallationOptions {
  readonly channels: ChannelEntries;
  /** Addresses of engines, limits and whatever else all processes are told. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly roles: readonly PartRole[];
}

/** Processes of several roles on a database of their own, as an operator would run them side by side. */
export class Installation {
  readonly databaseUrl: string;
  readonly books: Books;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #directory: string;
  readonly #closing = new Closing();
  readonly #processes: { readonly role: PartRole; readonly process: RoleProcess }[] = [];

  static async start({ channels, settings = {}, roles }: InstallationOptions): Promise<Installation> {
    const database = await testDatabase();
    const directory = await freshDirectory();
    const installation = new Installation(database.url, directory, {
      MASTER_KEY: randomBytes(32).toString('hex'),
      JWT_SECRET: randomBytes(32).toString('hex'),
      ...settings,
      DATABASE_URL: database.url,
      CHANNELS_FILE: await channelsFile(directory, channels),
    });
    installation.#closing.add(() => rm(directory, { recursive: true, force: true }));
    installation.#closing.add(() => database.close());
    installation.#closing.add(() => installation.books.close());
    try {
      for (const role of roles) await installation.startProcess(role);
      return installation;
    } catch (error) {
      await installation.dispose();
      throw error;
    }
  }

  private constructor(databaseUrl: string, directory: string, settings: Readonly<Record<string, string>>) {
    this.databaseUrl = databaseUrl;
    this.books = new Books(databaseUrl);
    this.#directory = directory;
    this.#settings = settings;
  }

  /** One more process, with a data directory of its own. It ends with the installation, if nobody ends it before. */
  async startProcess(role: PartRole): Promise<RoleProcess> {
    const dataDir = path.join(this.#directory, `${role}-${String(this.#processes.length)}`);
    const process = await startRoleProcess(role, { ...this.#settings, DATA_DIR: dataDir });
    this.#processes.push({ role, process });
    return process;
  }

  /** The processes of a role, in the order of their start, dead ones too. */
  of(role: PartRole): readonly RoleProcess[] {
    return this.#processes.filter((each) => each.role === role).map(({ process }) => process);
  }

  async dispose(): Promise<void> {
    // Relays first: what they settle while they drain still finds everybody else.
    for (const { process } of this.#processes.reverse()) {
      process.signal('SIGCONT');
      await process.stop();
    }
    await this.#closing.run();
  }
}
