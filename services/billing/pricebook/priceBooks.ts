import { decode } from '../../../events/codec.ts';
import type { EventStore } from '../../../events/eventStore.ts';
import { priceBookStream } from '../../../events/ids.ts';
import type { ModelPrice, PriceBookPublished } from '../../../events/pricebook/pricebook.events.ts';
import { priceVersionOf } from './priceVersion.ts';
import { recordedEntry } from './recordedModel.ts';

/** Prices by version and by the name under which usage is recorded, of books that were read before; null when the book prices no such model. */
export type PriceByVersion = (priceVersion: string, model: string) => ModelPrice | null;

/** Price books straight from the record, each read once and checked against its name. */
export class PriceBooks {
  readonly #store: EventStore;
  readonly #books = new Map<string, ReadonlyMap<string, ModelPrice>>();

  constructor(store: EventStore) {
    this.#store = store;
  }

  /** Reads the books of these versions. Throws PriceBookDamaged when one is missing or is not what its name says. */
  async load(versions: Iterable<string>): Promise<void> {
    for (const version of versions) {
      if (this.#books.has(version)) continue;
      const { models } = await readPriceBook(this.#store, version);
      this.#books.set(version, new Map(models.map((entry) => [entry.model, entry])));
    }
  }

  readonly price: PriceByVersion = (priceVersion, model) => {
    const book = this.#books.get(priceVersion);
    return book ? recordedEntry(book, model) : null;
  };
}

/** No book of this version stands in the record, or its content does not hash to it. */
export class PriceBookDamaged extends Error {
  override readonly name = 'PriceBookDamaged';
}

/** One price book from its stream, re-hashed. Throws PriceBookDamaged or StoreUnavailable. */
export async function readPriceBook(store: EventStore, priceVersion: string): Promise<PriceBookPublished> {
  const stream = priceBookStream(priceVersion);
  const [recorded] = await store.readStream(stream, { direction: 'forwards', limit: 1 });
  if (!recorded) throw new PriceBookDamaged(`${stream} does not exist`);
  const event = decodeBook(recorded, stream);
  const actual = priceVersionOf(event);
  if (actual !== priceVersion || event.priceVersion !== priceVersion) {
    throw new PriceBookDamaged(`${stream} holds content of version ${actual}, said to be ${event.priceVersion}`);
  }
  return event;
}

function decodeBook(recorded: Parameters<typeof decode>[0], stream: string): PriceBookPublished {
  try {
    const event = decode(recorded);
    if (event?.type === 'PriceBookPublished') return event;
  } catch (cause) {
    throw new PriceBookDamaged(`${stream} does not parse`, { cause });
  }
  throw new PriceBookDamaged(`${stream} holds a foreign event ${recorded.type}`);
}
