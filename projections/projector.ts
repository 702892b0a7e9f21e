import { aligned, CATCH_UP_PAGE, standing, type AligningParts } from './aligning.ts';
import { applyPage } from './applyPage.ts';
import type { LiveFeed } from './liveFeed.ts';
import { readPages, type EventPage } from './pages.ts';
import { WHOLE_LOG } from './partitioning.ts';
import { backOffMs, pause } from './pause.ts';
import type { Timers } from './ports.ts';
import { portionOf } from './portions.ts';
import type { Projection } from './projection.ts';
import { least } from './schema.ts';

/** How often a projection without anything to do looks whether its tables still stand where it left them. */
const IDLE_MS = 2_000;

export interface ProjectorOptions extends AligningParts {
  readonly timers: Timers;
  readonly feed: LiveFeed;
  readonly signal: AbortSignal;
  /** Called whenever the position has changed. */
  readonly advanced: () => void;
}

/** Keeps one projection's tables up with the whole log. */
export class Projector {
  readonly projection: Projection;
  readonly #options: ProjectorOptions;
  #position = 0n;
  #parked = 0;

  constructor(projection: Projection, options: ProjectorOptions) {
    this.projection = projection;
    this.#options = options;
  }

  /** The last position whose effects are committed. */
  get position(): bigint {
    return this.#position;
  }

  /** Accounts that this projection passes over. */
  get parked(): number {
    return this.#parked;
  }

  /**
   * Applies pages until the signal aborts, and ends after the page in hand. Never rejects: after any failure, and when
   * another worker was faster, it goes on from the stored checkpoint.
   */
  async run(): Promise<void> {
    const { signal, timers, log } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#position;
      try {
        await this.#follow();
      } catch (error) {
        log.warn({ projection: this.projection.name, error, failures }, 'a projection stopped and tries again');
      }
      failures = this.#position > before ? 1 : failures + 1;
      await pause(timers, backOffMs(failures), signal);
    }
  }

  async #follow(): Promise<void> {
    const { feed, signal } = this.#options;
    const { name } = this.projection;
    this.#moveTo(least(await aligned(this.#options, this.projection, WHOLE_LOG.partitions)));
    while (!signal.aborted) {
      if (this.#position < feed.begin) {
        feed.leave(name);
        if (!(await this.#catchUp(feed.end))) return;
        continue;
      }
      const page = await feed.next(name, this.#position, IDLE_MS);
      if (page ? !(await this.#apply(page)) : await this.#isSetBack()) return;
    }
  }

  /**
   * Effects are committed without waiting for the disk, so a database that crashes may come back without the last of
   * them. Whoever applies the next event finds out; where none comes, this does.
   */
  async #isSetBack(): Promise<boolean> {
    if (this.#options.signal.aborted) return false;
    const stored = least(await standing(this.#options, this.projection));
    if (stored === this.#position) return false;
    const { log } = this.#options;
    log.warn({ projection: this.projection.name, stored, position: this.#position }, 'a projection was set back');
    return true;
  }

  async #catchUp(upTo: bigint): Promise<boolean> {
    const { store, signal } = this.#options;
    const range = { after: this.#position, upTo, limit: CATCH_UP_PAGE, projection: this.projection };
    for await (const page of readPages(store, range)) {
      if (signal.aborted) return true;
      if (!(await this.#apply(page))) return false;
    }
    return true;
  }

  /** False when another worker was faster. */
  async #apply(page: EventPage): Promise<boolean> {
    const { transactions, log } = this.#options;
    const { name } = this.projection;
    const target = { projection: this.projection, schema: name, live: true, partitioning: WHOLE_LOG };
    const outcome = await applyPage(transactions, log, target, portionOf(page, WHOLE_LOG, [page.after]));
    if (outcome.outcome === 'overtaken') {
      log.info({ projection: name, position: page.after }, 'another worker moved the checkpoint of a projection');
      return false;
    }
    this.#parked = outcome.parked;
    this.#moveTo(page.position);
    return true;
  }

  #moveTo(position: bigint): void {
    this.#position = position;
    this.#options.advanced();
  }
}
