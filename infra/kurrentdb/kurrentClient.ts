import {
  END,
  KurrentDBClient,
  START,
  STREAM_NAME,
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
  type Filter,
  type ResolvedEvent,
} from '@kurrent/kurrentdb-client';
import type { ExpectedRevision } from '../../events/eventStore.ts';
import type { KurrentEvent, KurrentRecord, LogPlace } from './storedForm.ts';

/** What the server answered to an append that stands now. It may leave out the position when it stood before. */
export interface Standing {
  readonly revision: bigint;
  readonly position: bigint | null;
}

export interface ReadLogOptions {
  /** Inclusive. */
  readonly from: bigint | 'start' | 'end';
  readonly direction: 'forwards' | 'backwards';
  readonly limit: number;
  /** A regular expression that stream names must match. */
  readonly streams: string;
}

export interface SubscribeOptions {
  /** Exclusive. */
  readonly after: LogPlace | 'start' | 'end';
  readonly streams: string;
  /** Events kept while nobody takes them; the server waits beyond. */
  readonly buffered: number;
  /** Something can be taken, a checkpoint was reached, or it failed. Must not throw. */
  readonly onChange: () => void;
}

/** Events that the server considers in one step, and after which it says how far it came. */
const SEARCH_WINDOW = 500;

/**
 * One connection by the official client, which only this file names. Calls throw what the client throws, have no bound
 * in time, and may stay pending for ever: the caller bounds them. Making one costs 9 ms and 0.1 MB that are never given
 * back (client 1.3.1), so they are kept and not made per call. Appends and subscriptions connect anew by themselves;
 * reads go through a native reader, which does so only if its very first read had succeeded.
 */
export class KurrentClient {
  readonly #client: KurrentDBClient;

  /** Throws TypeError for a connection string that cannot be read; the error does not repeat it, for it holds a password. */
  constructor(connectionString: string) {
    try {
      this.#client = KurrentDBClient.connectionString(connectionString);
    } catch {
      throw new TypeError('the connection string of KurrentDB cannot be read');
    }
  }

  async append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly KurrentEvent[],
    deadlineMs: number,
  ): Promise<Standing> {
    const binary = events.map((event) => ({ ...event, contentType: 'application/octet-stream' as const }));
    const options = { streamState: expected, deadline: deadlineMs };
    const { nextExpectedRevision, position } = await this.#client.appendToStream(stream, binary, options);
    return { revision: nextExpectedRevision, position: position?.commit ?? null };
  }

  async readStream(
    stream: string,
    options: { readonly from: bigint | null; readonly direction: 'forwards' | 'backwards'; readonly limit: number },
  ): Promise<KurrentRecord[]> {
    const { direction, limit } = options;
    const fromRevision = options.from ?? (direction === 'forwards' ? START : END);
    return collect(this.#client.readStream(stream, { direction, fromRevision, maxCount: limit }));
  }

  /** Reads on the leader, so that two reads in succession never see the second one less than the first. */
  async readLog({ from, direction, limit, streams }: ReadLogOptions): Promise<KurrentRecord[]> {
    const fromPosition = typeof from === 'bigint' ? { commit: from, prepare: from } : from;
    const filter = { filterOn: STREAM_NAME, regex: streams, checkpointInterval: 1 } as const;
    return collect(this.#client.readAll({ direction, fromPosition, maxCount: limit, filter, requiresLeader: true }));
  }

  subscribe(options: SubscribeOptions): Subscription {
    return new ClientSubscription(this.#client, options);
  }

  /** Cancels what runs on this connection. The client can be used on; what was cancelled throws. */
  dispose(): void {
    this.#client.dispose().catch(() => undefined);
  }
}

/** A subscription ends with its first failure and is then replaced by whoever uses it. */
export interface Subscription {
  readonly confirmed: boolean;
  /** Why nothing more will come; null while it works. What arrived before can still be taken. */
  readonly failure: Error | null;
  /** When the server last sent anything, on the monotonic clock, milliseconds. */
  readonly lastHeard: number;
  /** Up to where the server looked, once `next` has given null. */
  readonly checkpoint: LogPlace | null;
  /** The next event that has arrived, or null. */
  next(): KurrentRecord | null;
  stop(): void;
}

class ClientSubscription implements Subscription {
  readonly #subscription: AllStreamSubscription;
  checkpoint: LogPlace | null = null;
  failure: Error | null = null;
  confirmed = false;
  lastHeard = performance.now();

  constructor(client: KurrentDBClient, { after, streams, buffered, onChange }: SubscribeOptions) {
    const heard = () => {
      this.lastHeard = performance.now();
      onChange();
    };
    const failed = (error: Error) => {
      this.failure ??= error;
      onChange();
    };
    const filter: Filter = {
      filterOn: STREAM_NAME,
      regex: streams,
      maxSearchWindow: SEARCH_WINDOW,
      checkpointInterval: 1,
      checkpointReached: (_, position) => {
        this.checkpoint = position;
        heard();
      },
    };
    this.#subscription = client
      .subscribeToAll({ fromPosition: after, filter }, { highWaterMark: buffered })
      .on('confirmation', () => {
        this.confirmed = true;
        heard();
      })
      .on('readable', heard)
      .on('error', failed)
      .on('end', () => failed(new Error('the server ended the subscription')));
  }

  next(): KurrentRecord | null {
    for (;;) {
      const resolved = this.#subscription.read() as AllStreamResolvedEvent | null;
      if (!resolved) return null;
      const record = recordOf(resolved);
      if (record) return record;
    }
  }

  stop(): void {
    this.#subscription.unsubscribe().catch(() => undefined);
    this.#subscription.destroy();
  }
}

async function collect(resolved: AsyncIterable<ResolvedEvent>): Promise<KurrentRecord[]> {
  const records: KurrentRecord[] = [];
  for await (const each of resolved) {
    const record = recordOf(each);
    if (record) records.push(record);
  }
  return records;
}

/** Null for a link whose event is gone. */
function recordOf({ event }: ResolvedEvent | AllStreamResolvedEvent): KurrentRecord | null {
  if (!event) return null;
  const { streamId, revision, type, isJson, data, metadata, position } = event;
  const bytes = isJson ? null : data;
  return { stream: streamId, revision, type, bytes: bytes instanceof Uint8Array ? bytes : null, metadata, position };
}
