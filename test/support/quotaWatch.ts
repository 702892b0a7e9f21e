import type pg from 'pg';

/** What stood in the database at one moment. */
export interface QuotaState {
  readonly used: bigint;
  readonly held: bigint;
}

/**
 * Watches one meter of one scope in two ways. A deferred trigger notes the state at the end of every transaction that
 * touches it, so no committed instant is missed; and a connection of its own looks as often as it can, as any reader would.
 */
export class QuotaWatch {
  readonly #pool: pg.Pool;
  readonly #scope: readonly [scopeId: string, meter: string];
  readonly #seen: QuotaState[] = [];
  #stopped = false;
  #polling: Promise<void>;

  static async start(pool: pg.Pool, scopeId: string, meter: string): Promise<QuotaWatch> {
    await pool.query(WATCH);
    return new QuotaWatch(pool, scopeId, meter);
  }

  private constructor(pool: pg.Pool, scopeId: string, meter: string) {
    this.#pool = pool;
    this.#scope = [scopeId, meter];
    this.#polling = this.#poll();
  }

  /** Every state that was committed, in the order of the commits, and every state that the reader saw. */
  async stop(): Promise<{ readonly committed: readonly QuotaState[]; readonly seen: readonly QuotaState[] }> {
    await this[Symbol.asyncDispose]();
    const { rows } = await this.#pool.query<StateRow>(
      'SELECT used, held FROM watched_quota WHERE scope_id = $1 AND meter = $2 ORDER BY n',
      [...this.#scope],
    );
    return { committed: rows.map(toState), seen: this.#seen };
  }

  /** Looks no further. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#polling;
  }

  async #poll(): Promise<void> {
    while (!this.#stopped) {
      const { rows } = await this.#pool.query<StateRow>(
        `SELECT coalesce((SELECT sum(used) FROM quota.used WHERE scope_id = $1 AND meter = $2), 0) AS used,
           coalesce((SELECT sum(held) FROM hold_totals WHERE scope_id = $1 AND meter = $2), 0) AS held`,
        [...this.#scope],
      );
      this.#seen.push(...rows.map(toState));
    }
  }
}

interface StateRow {
  readonly used: string;
  readonly held: string;
}

function toState({ used, held }: StateRow): QuotaState {
  return { used: BigInt(used), held: BigInt(held) };
}

const WATCH = `
CREATE TABLE public.watched_quota (
  n bigserial PRIMARY KEY, scope_id text NOT NULL, meter text NOT NULL, used numeric NOT NULL, held numeric NOT NULL
);
CREATE FUNCTION public.watch_quota() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.watched_quota (scope_id, meter, used, held)
  SELECT NEW.scope_id, NEW.meter,
    coalesce((SELECT u.used FROM quota.used u
      WHERE u.scope_id = NEW.scope_id AND u.meter = NEW.meter AND u.period = NEW.period), 0),
    coalesce((SELECT t.held FROM public.hold_totals t
      WHERE t.scope_id = NEW.scope_id AND t.meter = NEW.meter AND t.period = NEW.period), 0);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER watch_quota AFTER INSERT OR UPDATE ON public.hold_totals
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.watch_quota();
CREATE CONSTRAINT TRIGGER watch_quota AFTER INSERT OR UPDATE ON quota.used
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.watch_quota();
`;
