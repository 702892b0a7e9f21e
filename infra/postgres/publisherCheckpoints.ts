import type pg from 'pg';
import { PartitionsChanged, type CheckpointStore, type Progress } from '../../services/publisher/ports.ts';
import { asStoreError } from './database.ts';

interface Row {
  readonly term: string;
  readonly position: string;
  readonly last_positions: readonly string[];
}

/** The progress of one topic, a row of `publisher_checkpoints`. The caller ends the pool. */
export class PostgresPublisherCheckpoints implements CheckpointStore {
  readonly #pool: pg.Pool;
  readonly #topic: string;

  constructor(pool: pg.Pool, topic: string) {
    this.#pool = pool;
    this.#topic = topic;
  }

  async begin(partitions: number): Promise<{ readonly term: bigint; readonly progress: Progress }> {
    // Whoever begins second waits for the row and takes the term after.
    const [row] = await this.#query<Row>(
      `INSERT INTO public.publisher_checkpoints AS c (topic, term, position, last_positions)
       VALUES ($1, 1, 0, array_fill(0::bigint, ARRAY[$2::int]))
       ON CONFLICT (topic) DO UPDATE SET term = c.term + 1
       RETURNING term, position, last_positions`,
      [this.#topic, partitions],
    );
    if (!row) throw new Error('publisher_checkpoints returned no row');
    const lastPositions = row.last_positions.map(BigInt);
    if (lastPositions.length !== partitions) {
      throw new PartitionsChanged(
        `${this.#topic} was published to ${String(lastPositions.length)} partitions and is to be published to ${String(partitions)}: name another topic`,
      );
    }
    return { term: BigInt(row.term), progress: { position: BigInt(row.position), lastPositions } };
  }

  async advance(term: bigint, from: bigint, { position, lastPositions }: Progress): Promise<boolean> {
    // Within a term only its leader moves the row, so a position that is there already was moved by an earlier try.
    const rows = await this.#query(
      `UPDATE public.publisher_checkpoints SET position = $4, last_positions = $5
       WHERE topic = $1 AND term = $2 AND position IN ($3, $4)
       RETURNING topic`,
      [this.#topic, String(term), String(from), String(position), lastPositions.map(String)],
    );
    return rows.length === 1;
  }

  async #query<R extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<R[]> {
    try {
      return (await this.#pool.query<R>(text, values)).rows;
    } catch (error) {
      throw asStoreError(error, 'the checkpoint of the publisher');
    }
  }
}
