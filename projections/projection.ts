import type { DomainEvent } from '../events/codec.ts';
import type { RecordedEvent } from '../events/eventStore.ts';

/** One connection inside one transaction, its `search_path` set to the projection's own schema. */
export interface SqlExecutor {
  query<R extends object = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ rows: R[]; rowCount: number | null }>;
}

export interface ProjectedEvent {
  readonly recorded: RecordedEvent;
  /** The account that the stored bytes name, `?` when they name none. */
  readonly accountId: string;
  /** Decoded when first read. Null when this program does not know the type. Throws MalformedEvent when the bytes are not of it. */
  readonly event: DomainEvent | null;
}

/**
 * Code that fills tables from events. The runner owns order, batches, transactions and checkpoints; a projection may
 * rely on the order of one account's events only, and must give the same rows however the events are cut into batches.
 * An error thrown for an event parks its account.
 */
export interface Projection {
  /** Also the name of its Postgres schema. */
  readonly name: string;
  /** Raised when tables or meaning change; a rebuild follows. */
  readonly version: number;
  /** DDL without schema names; run with `search_path` set, so that a rebuild can fill a twin. Every table has a primary key. */
  readonly ddl: string;
  /** Somebody waits for it: slower projections must not keep it back. */
  readonly urgent?: boolean;
  /** Stream categories it reads; all when absent. */
  readonly categories?: readonly string[];
  /** Event types it applies; the runner hands over no others. When absent it is handed every event, unknown types too. */
  readonly types?: ReadonlySet<string>;
  /**
   * What the same events do outside the projection's own tables, such as settling holds. Runs before `apply` in the
   * same transaction, and never while a rebuild fills a twin.
   */
  liveEffects?(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void>;
  apply(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void>;
}
