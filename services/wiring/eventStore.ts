import type { Config } from '../../infra/config/config.ts';
import { KurrentEventStore } from '../../infra/kurrentdb/eventStore.ts';
import { PostgresEventStore } from '../../infra/postgres/eventStore.ts';
import type { EventStore } from '../../events/eventStore.ts';
import type { Log } from '../runtime.ts';

/** An event store that can be told that its log has grown, so that its subscriptions look at once. */
export interface HintedEventStore extends EventStore {
  /** It need not be true. */
  hinted(head: bigint): void;
}

/** The record, where the configuration says it is. Throws StoreUnavailable. */
export function openEventStore(config: Config, databaseUrl: string, log: Log): Promise<HintedEventStore> {
  const timeoutMs = config.STORE_TIMEOUT_MS;
  return config.KURRENTDB_URL === undefined
    ? PostgresEventStore.open({ connectionString: databaseUrl, log, timeoutMs })
    : KurrentEventStore.open({ connectionString: config.KURRENTDB_URL, log, timeoutMs });
}
