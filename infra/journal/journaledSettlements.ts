import path from 'node:path';
import { StoreUnavailable, type Append, type EventStore } from '../../events/eventStore.ts';
import type { Settlements } from '../../services/relay/ports.ts';
import { appendSettlement, SettlementRefused } from '../../services/relay/settlement/appendSettlement.ts';
import type { Runtime } from '../../services/runtime.ts';
import { Turns } from '../../services/turns.ts';
import { GroupCommit } from '../postgres/groupCommit.ts';
import { Backlog } from './backlog.ts';
import { createFile, type CreateFile } from './durableFile.ts';
import { appendJson, encodeLine } from './journalLine.ts';
import { Quarantine } from './quarantine.ts';
import { Segments, type Entry } from './segments.ts';

export interface JournalOptions {
  /** Made if need be. One process at a time. */
  readonly directory: string;
  readonly store: EventStore;
  readonly runtime: Runtime;
  /** What the files may take; 64 MB by default, about 40,000 settlements. */
  readonly maxBytes?: number;
  /** The size at which a file is followed by a new one; 4 MB by default. Files go as a whole. */
  readonly segmentBytes?: number;
  readonly create?: CreateFile;
}

/** Where an append became durable. */
export type Place = 'store' | 'correction' | 'journal' | 'quarantine';

/** Appends since the start by the place where they ended; `journal` counts those that had to wait there. */
export type PlaceCounts = Readonly<Record<Place, number>>;

/** Above this share of `maxBytes` admission stops; the rest is for calls that are running already. */
const NEAR_FULL = 0.8;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/** Appends brought to the store at once: a good batch for its group commit. */
const WINDOW = 128;
const MAX_WRITES_WAITING = 20_000;
const MAX_WRITE_BATCH = 1_000;
const WRITE_TIMEOUT_MS = 10_000;

/**
 * Appends to streams of requests that do not fail because the store does. What the store cannot take goes to a local
 * journal, fsynced before the caller goes on, and from there to the store as soon as it answers again: in order for each
 * stream, with the same ids, also after a restart. While the journal holds something of a stream, later appends of that
 * stream go behind it.
 *
 * What the store will never take, because its ids are used or the stream does not fit, lies in `quarantine/`. That, and
 * damage found in a journal file, is an alarm.
 */
export class JournaledSettlements implements Settlements {
  readonly #store: EventStore;
  readonly #runtime: Runtime;
  readonly #maxBytes: number;
  readonly #segments: Segments;
  readonly #quarantine: Quarantine;
  readonly #backlog = new Backlog();
  readonly #writes: GroupCommit<{ readonly append: Append; readonly line: Buffer }, Entry>;
  /** Appends of one stream go one after another. */
  readonly #underWay = new Turns();
  readonly #counts = { store: 0, correction: 0, journal: 0, quarantine: 0 };
  #reservedBytes = 0;
  /** The last try found the store down; only the draining of the backlog tries again. */
  #storeDown = false;
  #pauseMs = FIRST_PAUSE_MS;
  #cancelRetry: (() => void) | null = null;
  #draining: Promise<void> | null = null;
  #closed = false;

  /** Reads what an earlier process left and begins to bring it to the store. Throws the error of the disk. */
  static async open(options: JournalOptions): Promise<JournaledSettlements> {
    const { directory, runtime, segmentBytes = 4_194_304, create = createFile } = options;
    const segments = new Segments({ directory, segmentBytes, create });
    const quarantine = await Quarantine.open(path.join(directory, 'quarantine'));
    const { entries, damaged, cutBytes } = await segments.open();
    if (cutBytes > 0) runtime.log.warn({ cutBytes }, 'the journal ended in a write that was never acknowledged');
    for (const raw of damaged) {
      await quarantine.keep(raw.toString('base64'), 'a damaged line of the journal, as base64');
      runtime.log.error({ bytes: raw.length }, 'a line of the journal is damaged and lies in quarantine');
    }
    await segments.removeDrained();
    const journal = new JournaledSettlements(options, segments, quarantine);
    for (const entry of entries) journal.#backlog.add(entry);
    if (entries.length > 0) journal.#drainSoon(0);
    return journal;
  }

  private constructor(options: JournalOptions, segments: Segments, quarantine: Quarantine) {
    this.#store = options.store;
    this.#runtime = options.runtime;
    this.#maxBytes = options.maxBytes ?? 67_108_864;
    this.#segments = segments;
    this.#quarantine = quarantine;
    this.#writes = new GroupCommit({
      maxWaiting: MAX_WRITES_WAITING,
      maxBatch: MAX_WRITE_BATCH,
      timeoutMs: WRITE_TIMEOUT_MS,
      commit: (batch) => this.#commit(batch),
    });
  }

  /** Appends that wait for the store. */
  get pending(): number {
    return this.#backlog.size;
  }

  get pendingBytes(): number {
    return this.#backlog.bytes;
  }

  /** What the journal's files take on the disk. */
  get bytes(): number {
    return this.#segments.bytes;
  }

  get nearFull(): boolean {
    return this.#segments.bytes + this.#reservedBytes > this.#maxBytes * NEAR_FULL;
  }

  /** Things in quarantine, also of earlier starts. */
  get quarantined(): number {
    return this.#quarantine.count;
  }

  get counts(): PlaceCounts {
    return { ...this.#counts };
  }

  /** Whether something for this stream waits for the store. */
  holds(stream: string): boolean {
    return this.#backlog.has(stream) || this.#underWay.has(stream);
  }

  /**
   * Resolves with the place where the append is durable. Throws StoreUnavailable when the store is down and the journal
   * is full or its disk fails; the append may then be repeated as it was.
   */
  append(append: Append): Promise<Place> {
    return this.#underWay.run(append.stream, () => this.#place(append));
  }

  /** Stops bringing entries to the store, waits for what is under way and closes the files. What is left waits there for the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    await this.#underWay.settled();
    await this.#draining;
    await this.#writes.close();
    await this.#segments.close();
  }

  async #place(append: Append): Promise<Place> {
    let place: Place | null = null;
    if (!this.#backlog.has(append.stream) && !(this.#storeDown && this.#backlog.size > 0)) {
      try {
        place = await this.#bring(append);
      } catch (error) {
        if (error instanceof StoreUnavailable) this.#storeDown = true;
        this.#runtime.log.warn(
          { err: error, stream: append.stream },
          'the store did not take an append: to the journal',
        );
      }
    }
    place ??= await this.#toJournal(append);
    this.#counts[place] += 1;
    return place;
  }

  /** Brings an append to the store, or to quarantine when the store will never take it. */
  async #bring(append: Append): Promise<Exclude<Place, 'journal'>> {
    try {
      const { as } = await appendSettlement(this.#store, append);
      return as === 'correction' ? as : 'store';
    } catch (error) {
      // A TypeError refuses what no store could take.
      if (!(error instanceof SettlementRefused || error instanceof TypeError)) throw error;
      await this.#quarantine.keep(appendJson(append), error.message);
      this.#runtime.log.error({ err: error, stream: append.stream }, 'an append was refused and lies in quarantine');
      return 'quarantine';
    }
  }

  async #toJournal(append: Append): Promise<'journal'> {
    const line = encodeLine(append);
    if (this.#segments.bytes + this.#reservedBytes + line.length > this.#maxBytes) {
      throw new StoreUnavailable('the store is down and the journal is full');
    }
    this.#reservedBytes += line.length;
    try {
      await this.#writes.submit({ append, line });
    } catch (error) {
      throw new StoreUnavailable('the store is down and the journal cannot be written', { cause: error });
    } finally {
      this.#reservedBytes -= line.length;
    }
    return 'journal';
  }

  async #commit(batch: readonly { readonly append: Append; readonly line: Buffer }[]): Promise<readonly Entry[]> {
    try {
      const entries = await this.#segments.write(batch);
      for (const entry of entries) this.#backlog.add(entry);
      this.#drainSoon(this.#pauseMs);
      return entries;
    } catch (error) {
      this.#runtime.log.error({ err: error, appends: batch.length }, 'the journal cannot be written');
      throw error;
    }
  }

  #drainSoon(delayMs: number): void {
    if (this.#closed || this.#cancelRetry || this.#draining) return;
    this.#cancelRetry = this.#runtime.timers.after(delayMs, () => {
      this.#cancelRetry = null;
      this.#draining = this.#drain().finally(() => {
        this.#draining = null;
        if (this.#backlog.size > 0) this.#drainSoon(this.#pauseMs);
      });
    });
  }

  /** Brings windows of entries to the store until none is left or one window gets nowhere. Never rejects. */
  async #drain(): Promise<void> {
    while (this.#backlog.size > 0 && !this.#closed) {
      const outcomes = await Promise.all(this.#backlog.heads(WINDOW).map((entry) => this.#drainEntry(entry)));
      if (outcomes.includes('done')) this.#storeDown = outcomes.includes('unavailable');
      await this.#removeDrained();
      if (!outcomes.includes('done')) {
        this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
        return;
      }
      this.#pauseMs = FIRST_PAUSE_MS;
    }
  }

  /** An entry that fails stays, whatever the reason; it does not keep other streams back. */
  async #drainEntry(entry: Entry): Promise<'done' | 'unavailable' | 'failed'> {
    try {
      const place = await this.#bring(entry.append);
      this.#counts[place] += 1;
      this.#backlog.remove(entry);
      return 'done';
    } catch (error) {
      if (error instanceof StoreUnavailable) return 'unavailable';
      this.#runtime.log.error({ err: error, stream: entry.append.stream }, 'an entry of the journal cannot be brought');
      return 'failed';
    }
  }

  async #removeDrained(): Promise<void> {
    try {
      await this.#segments.removeDrained();
    } catch (error) {
      this.#runtime.log.error({ err: error }, 'files of the journal cannot be removed; it is tried again');
    }
  }
}
