import { encode } from '../../../events/codec.ts';
import { SYSTEM_ACCOUNT } from '../../../events/envelope.ts';
import type { EventStore } from '../../../events/eventStore.ts';
import { deriveId, priceBookStream } from '../../../events/ids.ts';
import { toInstant, type Runtime } from '../../runtime.ts';
import { parsePriceBook } from './priceBookFile.ts';
import { priceVersionOf } from './priceVersion.ts';

export interface PublishedPriceBook {
  readonly priceVersion: string;
  /** Where the book stands in the log. */
  readonly position: bigint;
  /** False when this very content had been published before. */
  readonly isNew: boolean;
}

/**
 * Makes a price book part of the record. The same content is the same stream, so publishing it again changes nothing,
 * however many processes do it at once. Throws PriceBookRefused naming every problem of `contents`, or StoreUnavailable.
 */
export async function publishPriceBook(
  store: EventStore,
  contents: unknown,
  runtime: Pick<Runtime, 'clock'>,
): Promise<PublishedPriceBook> {
  const content = parsePriceBook(contents);
  const priceVersion = priceVersionOf(content);
  const stream = priceBookStream(priceVersion);
  const standing = await positionOf(store, stream);
  if (standing !== null) return { priceVersion, position: standing, isNew: false };

  const occurredAt = toInstant(runtime.clock.now());
  const result = await store.append({
    stream,
    expected: 'no_stream',
    events: [
      encode({
        type: 'PriceBookPublished',
        version: 2,
        // The time is part of the id: a book that another process publishes meanwhile is a conflict, not a reused id.
        eventId: deriveId('PriceBookPublished', priceVersion, occurredAt),
        occurredAt,
        accountId: SYSTEM_ACCOUNT,
        correlationId: priceVersion,
        causationId: null,
        priceVersion,
        ...content,
      }),
    ],
  });
  if (result.outcome === 'appended' || result.outcome === 'repeated') {
    return { priceVersion, position: result.position, isNew: result.outcome === 'appended' };
  }
  const winner = await positionOf(store, stream);
  if (winner === null) throw new Error(`${stream}: ${result.outcome}, yet nothing stands there`);
  return { priceVersion, position: winner, isNew: false };
}

async function positionOf(store: EventStore, stream: string): Promise<bigint | null> {
  const [first] = await store.readStream(stream, { direction: 'forwards', limit: 1 });
  return first?.position ?? null;
}
