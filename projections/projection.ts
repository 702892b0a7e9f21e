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
  /** Null when this program does not know the type. */
  readonly event: DomainEvent | null;
}

/**
 * Code that fills tables from events. The runner owns order, batches, transactions and checkpoints; a projection may
 * rely on the order of one account's events only, and must give the same rows however the events are cut into batches.
 */
export interface Projection {
  /** Also the name of its Postgres schema. */
  readonly name: string;
  /** Raised when tables or meaning change; a rebuild follows. */
  readonly version: number;
  /** DDL without schema names; run with `search_path` set, so that a rebuild can fill a twin. */
  readonly ddl: string;
  /** Stream categories it reads; all when absent. */
  readonly categories?: readonly string[];
  apply(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void>;
}
