import type { DistributionLog, PartitionBatch, PartitionRecord } from '../../events/distributionLog.ts';
import type { SeededRandom } from './seededRandom.ts';

/** Odds, from 0 to 1, of what may happen at each delivery. */
export interface DeliveryFaults {
  /** The batch counts as unread, so it comes again. */
  readonly repeat: number;
  /** The group begins again at an earlier record. */
  readonly rewind: number;
  /** The members of the group change places while batches are in hand: those in hand go on, and come to others as well. */
  readonly rebalance: number;
}

export const NO_FAULTS: DeliveryFaults = { repeat: 0, rewind: 0, rebalance: 0 };
const LARGEST_BATCH = 40;
/** Turns of the event loop between two deliveries of a partition. */
const LONGEST_DELAY = 4;
const FURTHEST_REWIND = 100;

type Handle = (batch: PartitionBatch) => Promise<void>;

interface Member {
  readonly handle: Handle;
  readonly inHand: Set<Promise<unknown>>;
}

interface Group {
  readonly members: Set<Member>;
  readonly delivering: Set<number>;
  /** Records of each partition that count as read. */
  readonly offsets: number[];
  shift: number;
  /** Resolves when the members change places. */
  changing: PromiseWithResolvers<undefined>;
}

/** Which of so many partitions an account is in, for tests. */
export function testPartitionOf(accountId: string, partitions: number): number {
  let sum = 7;
  for (const byte of Buffer.from(accountId)) sum = (sum * 31 + byte) % 65_521;
  return sum % partitions;
}

/** A distribution log in memory that delivers in any order that the port allows, and as badly as it allows. */
export class FaultyDistribution implements DistributionLog {
  readonly #random: SeededRandom;
  readonly #logs: (PartitionRecord | null)[][];
  readonly #groups = new Map<string, Group>();
  readonly #held = new Set<number>();
  #news = Promise.withResolvers<undefined>();
  faults: DeliveryFaults = NO_FAULTS;
  /** What has happened, for a test that wants to know that it was tested. */
  readonly counts = { batches: 0, events: 0, refused: 0, repeats: 0, rewinds: 0, rebalances: 0, lost: 0 };

  constructor(partitions: number, random: SeededRandom) {
    this.#logs = Array.from({ length: partitions }, () => []);
    this.#random = random;
  }

  get partitions(): number {
    return this.#logs.length;
  }

  partitionOf(accountId: string): number {
    return testPartitionOf(accountId, this.partitions);
  }

  publish(batches: readonly PartitionBatch[]): Promise<void> {
    for (const { partition, records } of batches) this.#logOf(partition).push(...records);
    this.#tell();
    return Promise.resolve();
  }

  /** Keeps partitions back, or (none) brings all. */
  hold(...partitions: readonly number[]): void {
    this.#held.clear();
    for (const partition of partitions) this.#held.add(partition);
    this.#tell();
  }

  /** Loses records, each run of up to `length` with these odds. */
  lose(odds: number, length: number): void {
    for (const log of this.#logs) {
      for (let at = 0; at < log.length; at += length) {
        if (this.#random.fraction() >= odds) continue;
        const end = Math.min(log.length, at + this.#random.between(1, length));
        this.counts.lost += log.slice(at, end).filter((record) => record?.event).length;
        log.fill(null, at, end);
      }
    }
  }

  async subscribe(options: Parameters<DistributionLog['subscribe']>[0]): Promise<void> {
    const group = this.#groupOf(options.group);
    const member: Member = { handle: options.handle, inHand: new Set() };
    group.members.add(member);
    this.#rebalance(group);
    for (const partition of this.#logs.keys()) {
      if (!group.delivering.has(partition)) void this.#deliver(group, partition);
    }
    await new Promise<void>((resolve) => {
      if (options.signal.aborted) resolve();
      options.signal.addEventListener('abort', () => resolve());
    });
    group.members.delete(member);
    this.#rebalance(group);
    await Promise.allSettled(member.inHand);
  }

  close(): Promise<void> {
    for (const group of this.#groups.values()) group.members.clear();
    this.#tell();
    return Promise.resolve();
  }

  /** Brings a partition to whichever member it belongs to, as long as the group has any. */
  async #deliver(group: Group, partition: number): Promise<void> {
    group.delivering.add(partition);
    for (;;) {
      for (let turns = this.#random.between(0, LONGEST_DELAY); turns > 0; turns -= 1) await nextTurn();
      const member = [...group.members][(partition + group.shift) % Math.max(1, group.members.size)];
      if (!member) break;
      const offset = group.offsets[partition] ?? 0;
      const end = Math.min(this.#logOf(partition).length, offset + this.#random.between(1, LARGEST_BATCH));
      const records = this.#logOf(partition)
        .slice(offset, end)
        .filter((record) => record !== null);
      if (end === offset || this.#held.has(partition)) {
        await Promise.race([this.#news.promise, group.changing.promise]);
        continue;
      }
      if (await this.#read(group, member, { partition, records })) group.offsets[partition] = end;
      this.#disturb(group, partition);
    }
    group.delivering.delete(partition);
  }

  /** Whether the batch counts as read. */
  async #read(group: Group, member: Member, batch: PartitionBatch): Promise<boolean> {
    if (batch.records.length === 0) return true;
    this.counts.batches += 1;
    this.counts.events += batch.records.filter(({ event }) => event).length;
    const handled = member.handle(batch).then(
      () => true,
      () => {
        this.counts.refused += 1;
        return false;
      },
    );
    member.inHand.add(handled);
    void handled.then(() => member.inHand.delete(handled));
    if (this.#happens('rebalance')) this.#rebalance(group);
    const read = await Promise.race([handled, group.changing.promise.then(() => false)]);
    if (!this.#happens('repeat')) return read;
    this.counts.repeats += 1;
    return false;
  }

  #disturb(group: Group, partition: number): void {
    if (!this.#happens('rewind')) return;
    this.counts.rewinds += 1;
    const offset = group.offsets[partition] ?? 0;
    group.offsets[partition] = Math.max(0, offset - this.#random.between(1, FURTHEST_REWIND));
  }

  #rebalance(group: Group): void {
    this.counts.rebalances += 1;
    group.shift += 1;
    const { changing } = group;
    group.changing = Promise.withResolvers();
    changing.resolve(undefined);
  }

  #happens(fault: keyof DeliveryFaults): boolean {
    return this.faults[fault] > 0 && this.#random.fraction() < this.faults[fault];
  }

  #tell(): void {
    const news = this.#news;
    this.#news = Promise.withResolvers();
    news.resolve(undefined);
  }

  #logOf(partition: number): (PartitionRecord | null)[] {
    const log = this.#logs[partition];
    if (!log) throw new RangeError(`there is no partition ${String(partition)}`);
    return log;
  }

  #groupOf(name: string): Group {
    const known = this.#groups.get(name);
    if (known) return known;
    const offsets = this.#logs.map(() => 0);
    const changing = Promise.withResolvers<undefined>();
    const group: Group = { members: new Set(), delivering: new Set(), offsets, shift: 0, changing };
    this.#groups.set(name, group);
    return group;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
