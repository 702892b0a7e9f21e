import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { EventStore } from '../../../events/eventStore.ts';
import { JournaledSettlements, type JournalOptions } from '../../../infra/journal/journaledSettlements.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { silentLog } from '../../support/log.ts';

/** A directory for journals, and journals in it. */
export class JournalDirectory {
  readonly path: string;
  readonly #journals: JournaledSettlements[] = [];

  static async create(): Promise<JournalDirectory> {
    return new JournalDirectory(await mkdtemp(path.join(tmpdir(), 'tallystick-journal-')));
  }

  private constructor(directory: string) {
    this.path = directory;
  }

  async open(store: EventStore, options: Partial<JournalOptions> = {}): Promise<JournaledSettlements> {
    const journal = await JournaledSettlements.open({
      directory: this.path,
      store,
      runtime: systemRuntime(silentLog),
      ...options,
    });
    this.#journals.push(journal);
    return journal;
  }

  /** Names of the journal's files. */
  async files(): Promise<string[]> {
    return (await readdir(this.path)).filter((name) => name.endsWith('.ndjson')).sort();
  }

  async bytes(): Promise<Buffer> {
    const files = await this.files();
    return Buffer.concat(await Promise.all(files.map((name) => readFile(path.join(this.path, name)))));
  }

  /** What lies in quarantine. */
  async quarantine(): Promise<{ why: string; what: string }[]> {
    const directory = path.join(this.path, 'quarantine');
    const names = (await readdir(directory)).sort();
    const texts = await Promise.all(names.map((name) => readFile(path.join(directory, name), 'utf8')));
    return texts.map((text) => JSON.parse(text) as { why: string; what: string });
  }

  async remove(): Promise<void> {
    await Promise.all(this.#journals.map((journal) => journal.close()));
    await rm(this.path, { recursive: true });
  }
}
