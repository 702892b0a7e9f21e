/** What the doctor looks at. A probe throws CommandFailed with the problems it finds, or StoreUnavailable. */
export interface Probes {
  /** `24.21.0`. */
  node(): string;
  /** Throws CommandFailed `usage` with every problem. */
  configuration(): ConfigurationFacts;
  /** Throws CommandFailed `usage` when the file is not valid. */
  channels(): ChannelFacts;
  /** Null when no file is configured. Throws CommandFailed `usage` or PriceBookRefused. */
  priceFile(): Promise<{ readonly file: string; readonly models: number } | null>;
  dataDirectory(): Promise<DataDirectoryFacts>;
  /** How many files this process may have open; null where the system does not tell. */
  openFiles(): number | null;
  /** The service that runs on the data directory. */
  service(): Promise<ServiceFacts | null>;
  /** Null when there is no database yet. Changes nothing in it. Throws StoreUnavailable. */
  database(): Promise<DatabaseFacts | null>;
  /** Null when it is not used. Throws CommandFailed: `usage` for an address that cannot be read, else `unavailable`. */
  kurrentdb(): Promise<KurrentdbFacts | null>;
  /** Null when it is not used. Changes nothing in it. Throws CommandFailed `unavailable`. */
  kafka(): Promise<KafkaFacts | null>;
  /** Null when it is not used. Throws CommandFailed as `kurrentdb` does. */
  redis(): Promise<RedisFacts | null>;
  journal(): Promise<JournalFacts>;
  /** One call to the simulated upstream: through the running service with the first test key, otherwise directly. */
  simulatedCall(): Promise<SimulatedCallFacts>;
}

export interface ConfigurationFacts {
  /** Names of the variables that are set. */
  readonly set: readonly string[];
  readonly maxInFlight: number;
}

export interface ChannelFacts {
  /** Null: none is configured. */
  readonly file: string | null;
  readonly channels: readonly string[];
}

export interface DataDirectoryFacts {
  readonly path: string;
  /** Null when it does not exist; then there are no entries. */
  readonly self: EntryFacts | null;
  /** Files that hold secrets. */
  readonly secrets: readonly EntryFacts[];
  readonly isWritable: boolean;
}

export interface EntryFacts {
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
}

export interface ServiceFacts {
  readonly pid: number;
  /** Null when it is a command, or does not listen yet. */
  readonly baseUrl: string | null;
  /** Why it says it is not ready. */
  readonly problems: readonly string[];
}

export interface DatabaseFacts {
  readonly isEmbedded: boolean;
  readonly version: string;
  readonly migrations: { readonly known: readonly string[]; readonly applied: readonly string[] };
  /** Position of the newest event in it. */
  readonly head: bigint;
  readonly projections: readonly {
    readonly name: string;
    /** Null: it has no tables yet. */
    readonly stored: { readonly position: bigint; readonly version: number } | null;
    readonly codeVersion: number;
  }[];
  readonly parked: readonly { readonly projection: string; readonly accountId: string; readonly error: string }[];
}

export interface KurrentdbFacts {
  /** Position of the newest event, which counts bytes; 0 when there is none. */
  readonly head: bigint;
}

export interface KafkaFacts {
  /** Those that are up. */
  readonly brokers: number;
  readonly topic: string;
  /** Null: the topic is missing. */
  readonly found: {
    readonly partitions: number;
    /** Of the partition that has the fewest. */
    readonly copies: number;
  } | null;
  /** As it is configured. */
  readonly wanted: { readonly partitions: number; readonly replication: number };
}

export interface RedisFacts {
  /** Null: it does not tell. */
  readonly version: string | null;
  /** What it does when its memory is full; `unknown` when it does not tell. */
  readonly policy: string;
  /** Entries may vanish with this policy, and then no process starts. */
  readonly evicts: boolean;
}

export interface JournalFacts {
  /** Settlements that wait for the store. */
  readonly pending: number;
  readonly damaged: number;
  readonly quarantined: number;
}

export interface SimulatedCallFacts {
  readonly through: 'service' | 'upstream';
  readonly status: number;
  readonly requestId: string | null;
}
