/** The outside that decisions may need, as values handed in. Only `infra/` reads the real clock or random source. */

export interface Clock {
  /** Milliseconds since 1970, for instants that are stored. */
  now(): number;
  /** Milliseconds that never go back, for durations and deadlines inside the process. */
  monotonic(): number;
}

export interface Ids {
  /** A uuid v7: unguessable, ordered by time. */
  uuid(): string;
}

export interface Random {
  bytes(length: number): Buffer;
  /** Uniform in [0, 1). */
  fraction(): number;
}

export interface Timers {
  /** Runs `action` once after `delayMs`; the result cancels it. */
  after(delayMs: number, action: () => void): () => void;
}

/** What is worth telling an operator. Fields must never hold a secret or a prompt. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Runtime {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly timers: Timers;
  readonly log: Log;
}

/** The stored text of an instant. */
export function toInstant(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
