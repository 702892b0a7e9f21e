import type pg from 'pg';
import { expect, vi } from 'vitest';
import type { UsageVector } from '../../../events/meters.ts';
import { testDatabase } from '../../support/postgres.ts';
import { startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';

/** A service process on a fresh database of the shared test server, whose books a test may read. */
export interface BookedService extends ServiceProcess {
  readonly pool: pg.Pool;
  /** Stops it, and removes its database and data directory. */
  dispose(): Promise<void>;
}

export async function startBookedService(environment: Readonly<Record<string, string>> = {}): Promise<BookedService> {
  const database = await testDatabase();
  const service = await startServiceProcess({ ...environment, DATABASE_URL: database.url });
  return {
    ...service,
    pool: database.pool,
    async dispose() {
      await service.dispose();
      await database.close();
    },
  };
}

/** A call as the request log has it. Amounts are picos. */
export interface BookedCall {
  readonly status: 'accepted' | 'completed' | 'failed' | 'aborted';
  readonly source: string | null;
  readonly usage: UsageVector | null;
  readonly amount: bigint;
  readonly currency: string;
  readonly channel: string | null;
  readonly code: string | null;
  readonly httpStatus: number | null;
  readonly finishReason: string | null;
  readonly attempts: readonly { readonly channel: string; readonly outcome: string; readonly status: number | null }[];
  readonly keyId: string;
  readonly accountId: string;
}

/** The call once its end is in the request log. */
export async function bookedCall(service: BookedService, requestId: string | null | undefined): Promise<BookedCall> {
  return vi.waitFor(
    async () => {
      const { rows } = await service.pool.query<Omit<BookedCall, 'amount'> & { readonly amount: string }>(
        `SELECT status, source, usage, amount, currency, channel, code, http_status AS "httpStatus",
           finish_reason AS "finishReason", attempts, key_id AS "keyId", account_id AS "accountId"
         FROM requests.log WHERE request_id = $1 AND status <> 'accepted'`,
        [requestId],
      );
      const [row] = rows;
      if (!row) throw new Error(`request ${String(requestId)} has no end in the log`);
      return { ...row, amount: BigInt(row.amount) };
    },
    { timeout: 15_000, interval: 20 },
  );
}

/** How many calls have usage on record. */
export async function usageCount(service: BookedService): Promise<number> {
  const { rows } = await service.pool.query<{ count: string }>(
    `SELECT count(*) FROM events WHERE type = 'UsageRecorded'`,
  );
  return Number(rows[0]?.count);
}

/** Waits until the service itself says that it is well, which is also asked after everything that was done to it. */
export async function expectWell(service: ServiceProcess): Promise<void> {
  const ready = await fetch(`${service.baseUrl}/readyz`);
  expect(await ready.json()).toEqual({ ready: true, problems: [] });
}
