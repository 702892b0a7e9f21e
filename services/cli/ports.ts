import type { Mode } from '../../events/envelope.ts';
import type { EventStore } from '../../events/eventStore.ts';
import type { Currency, Picos } from '../../events/money.ts';
import type { Limits } from '../../events/quota/limits.ts';
import type { EmailIndex } from '../accounts/ports.ts';
import type { ClosingPorts } from '../billing/invoicing/closePeriod.ts';
import type { LineRequests } from '../billing/ports.ts';
import type { KeyService } from '../keys/keyService.ts';
import type { Runtime } from '../runtime.ts';
import type { Probes } from './doctor/probes.ts';

export interface AccountRow {
  readonly accountId: string;
  readonly userId: string;
  readonly mode: Mode;
  readonly zone: string;
  readonly limits: Limits;
  readonly maxKeys: number;
  readonly openedAt: string;
}

export interface UsageRow {
  readonly accountId: string;
  readonly keyId: string;
  readonly model: string;
  readonly currency: Currency;
  readonly requests: bigint;
  readonly failed: bigint;
  readonly tokens: bigint;
  readonly amount: Picos;
}

export interface CallRow {
  readonly requestId: string;
  readonly keyId: string;
  readonly mode: Mode;
  readonly model: string;
  readonly route: string;
  readonly streamed: boolean;
  readonly channel: string | null;
  readonly status: 'accepted' | 'completed' | 'failed' | 'aborted';
  readonly source: string | null;
  readonly usage: Readonly<Partial<Record<string, number>>> | null;
  readonly tokens: number;
  readonly picos: Picos;
  readonly currency: Currency;
  readonly priceVersion: string;
  readonly code: string | null;
  readonly httpStatus: number | null;
  readonly finishReason: string | null;
  readonly acceptedAt: string;
  readonly endedAt: string | null;
  readonly latencyMs: number | null;
  readonly firstByteMs: number | null;
  /** Log position of its acceptance. */
  readonly position: bigint;
}

export interface InvoiceRow {
  readonly invoiceId: string;
  readonly accountId: string;
  readonly period: string;
  readonly currency: Currency;
  readonly mode: Mode;
  readonly status: 'drafted' | 'final';
  readonly number: string | null;
  readonly exactTotal: Picos;
  /** Minor units. */
  readonly total: bigint;
  readonly finalizedAt: string | null;
}

/** The read models, as far as `Installation.caughtUp` waited for them. Every method may throw StoreUnavailable. */
export interface Answers {
  /** Accounts of a user, or (null) of everybody, in the order of their opening, in pages. */
  accounts(userId: string | null): AsyncIterable<readonly AccountRow[]>;
  /** Between two UTC hours, the second excluded. */
  usageByKeyAndModel(accountIds: readonly string[], from: string, before: string): Promise<readonly UsageRow[]>;
  /** Newest first, before a position (null: from the newest). */
  calls(accountId: string, before: bigint | null, limit: number): Promise<readonly CallRow[]>;
  invoices(accountId: string): Promise<readonly InvoiceRow[]>;
  invoiceOfNumber(number: string): Promise<string | null>;
  readonly lineRequests: LineRequests;
}

export interface KeptHead {
  readonly accountId: string;
  readonly sequence: bigint;
  readonly hash: string;
}

export interface AuditReport {
  readonly ok: boolean;
  readonly accounts: number;
  readonly events: number;
  readonly position: bigint;
  readonly firstDifference:
    | null
    | (Readonly<Record<'what' | 'accountId', string>> & {
        readonly position: bigint;
        readonly sequence: bigint | null;
        readonly stream: string | null;
        readonly revision: bigint | null;
        readonly eventId: string | null;
      });
  readonly heads: readonly (KeptHead & { readonly position: bigint })[];
}

export interface RebuildReport {
  readonly name: string;
  readonly position: bigint;
  readonly tables: readonly {
    readonly table: string;
    readonly rows: number;
    readonly equal: boolean;
    readonly firstDifference?: { readonly live: string | null; readonly rebuilt: string | null };
  }[];
  readonly equal: boolean;
  readonly swapped: boolean;
  readonly parked: readonly string[];
}

/** An opened installation: its record, its read models and what acts on them. */
export interface Installation {
  readonly store: EventStore;
  readonly runtime: Runtime;
  readonly keys: Pick<KeyService, 'issue' | 'list' | 'restrict' | 'rotate' | 'disable' | 'enable' | 'revoke'>;
  readonly closing: ClosingPorts;
  readonly emailIndex: EmailIndex;
  /** The address of the user whom the first start made; null when the data directory tells of none. */
  readonly firstRunEmail: string | null;
  readonly answers: Answers;
  /** Resolves when the answers know everything that is in the log now. Throws StoreUnavailable when that takes too long. */
  caughtUp(): Promise<void>;
  audit(options: { readonly accountId?: string; readonly expectedHead?: KeptHead }): Promise<AuditReport>;
  rebuild(name: string, swap: 'never' | 'whenEqual' | 'always'): Promise<RebuildReport>;
  close(): Promise<void>;
}

/** One configured value. */
export interface Setting {
  readonly name: string;
  /** Secrets are masked; null: not set, and nothing takes its place. */
  readonly value: string | number | null;
  readonly source: 'environment' | 'default' | 'data directory';
  readonly description: string;
}

/** What the commands need of the world. */
export interface CliPorts {
  /**
   * Beside a running service, or alone. Throws CommandFailed: `usage` for a bad configuration, `not_found` when there is
   * no data; and StoreUnavailable.
   */
  open(): Promise<Installation>;
  /** The effective configuration. Throws CommandFailed `usage` with every problem. */
  settings(): readonly Setting[];
  /** The contents of a price book file. Throws CommandFailed `usage` when it cannot be read. */
  readPriceBook(path: string): Promise<unknown>;
  /** Names of the read models. */
  readonly projections: readonly string[];
  readonly probes: Probes;
}
