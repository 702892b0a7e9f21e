import type { Command } from 'commander';
import { z } from 'zod';
import { decode } from '../../../events/codec.ts';
import type { EventStore } from '../../../events/eventStore.ts';
import { formatPicos } from '../../../events/money.ts';
import type { ModelPrice, PriceBookPublished } from '../../../events/pricebook/pricebook.events.ts';
import type { MeterPrices } from '../../billing/rating/perMeter.ts';
import { PriceCatalogue } from '../../billing/pricebook/priceCatalogue.ts';
import { publishPriceBook } from '../../billing/pricebook/publishPriceBook.ts';
import type { Actions } from '../actions.ts';
import type { Outcome } from '../outcome.ts';
import type { Installation } from '../ports.ts';
import { tableOf } from '../table.ts';

const PAGE = 500;
const PICOS_PER_MICRO = 1_000_000n;
const file = z.object({ file: z.string().min(1) });

/** `prices`: price books, which are only ever added. */
export function registerPrices(program: Command, actions: Actions): void {
  const prices = program.command('prices').description('publish and list price books');

  prices
    .command('publish <file>')
    .description('add a price book (YAML or JSON) to the record; the same content again changes nothing')
    .action(
      actions.opened(file, async (installation, input) => {
        const contents = await actions.ports.readPriceBook(input.file);
        return publish(installation, contents);
      }),
    );

  prices
    .command('list')
    .description('every published book, and the prices in force')
    .action(actions.opened(z.object({}), listPrices));
}

async function publish({ store, runtime }: Installation, contents: unknown): Promise<Outcome> {
  const published = await publishPriceBook(store, contents, runtime);
  const { priceVersion, position, isNew } = published;
  const place = `at log position ${position.toString()}`;
  return {
    data: published,
    text: isNew ? `Published as ${priceVersion}, ${place}.` : `Nothing new: it stands as ${priceVersion} ${place}.`,
  };
}

async function listPrices({ store, runtime }: Installation): Promise<Outcome> {
  const books = await publishedBooks(store);
  const catalogue = new PriceCatalogue();
  for (const book of books) catalogue.apply(book);
  const [anyModel] = catalogue.models(runtime.clock.now());
  const inForce = anyModel?.priceVersion ?? null;
  const models = books.find(({ priceVersion }) => priceVersion === inForce)?.models ?? [];
  return {
    data: {
      inForce,
      books: books.map(({ priceVersion, effectiveFrom, occurredAt, models: priced }) => ({
        priceVersion,
        effectiveFrom,
        publishedAt: occurredAt,
        models: priced.map((entry) => ({ ...entry, price: pricePerMillion(entry) })),
      })),
    },
    text: `${bookTable(books, inForce)}\n\nIn force, per million:\n${modelTable(models)}`,
  };
}

async function publishedBooks(store: EventStore): Promise<readonly PriceBookPublished[]> {
  const books: PriceBookPublished[] = [];
  for (let after = 0n; ;) {
    const page = await store.readAll({ after, limit: PAGE, categories: ['pricebook'] });
    for (const recorded of page.events) {
      const event = decode(recorded);
      if (event?.type === 'PriceBookPublished') books.push(event);
    }
    if (page.position <= after) return books;
    after = page.position;
  }
}

function bookTable(books: readonly PriceBookPublished[], inForce: string | null): string {
  return tableOf(
    [
      { head: 'price version', of: (book) => book.priceVersion },
      { head: 'effective from', of: (book) => book.effectiveFrom },
      { head: 'published', of: (book) => book.occurredAt },
      { head: 'models', align: 'right', of: (book) => String(book.models.length) },
      { head: 'in force', of: (book) => (book.priceVersion === inForce ? 'yes' : '') },
    ],
    books,
    'No price books.',
  );
}

function modelTable(models: readonly ModelPrice[]): string {
  return tableOf(
    [
      { head: 'model', of: (entry) => entry.model },
      { head: 'price', of: priceText },
      { head: 'currency', of: (entry) => entry.currency },
      { head: 'output at most', align: 'right', of: (entry) => String(entry.maxOutputTokens) },
    ],
    models,
    'nothing has a price',
  );
}

function priceText({ price }: ModelPrice): string {
  if ('blended' in price) return `${perMillion(price.blended)} every token`;
  const { meters, longContext = [], variants = {} } = price;
  return [
    metersText(meters),
    ...longContext.map((tier) => `above ${String(tier.aboveInputTokens)} input tokens: ${metersText(tier.meters)}`),
    ...Object.entries(variants).map(([name, variant]) => `${name}: ${metersText(variant.meters)}`),
  ].join('; ');
}

function metersText(meters: MeterPrices['meters']): string {
  return Object.entries(metersPerMillion(meters))
    .map(([meter, price]) => `${meter} ${price}`)
    .join(', ');
}

/** Decimal text in major units per million; one for all tokens, or one for each meter that the book names. */
function pricePerMillion({ price }: ModelPrice): unknown {
  if ('blended' in price) return perMillion(price.blended);
  const { meters, longContext, variants } = price;
  return {
    ...metersPerMillion(meters),
    ...(longContext && {
      longContext: longContext.map((tier) => ({ ...tier, meters: metersPerMillion(tier.meters) })),
    }),
    ...(variants && {
      variants: Object.fromEntries(
        Object.entries(variants).map(([name, variant]) => [name, metersPerMillion(variant.meters)]),
      ),
    }),
  };
}

function metersPerMillion(meters: MeterPrices['meters']): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(meters).map(([meter, micros]) => [meter, perMillion(micros)]));
}

function perMillion(micros: number): string {
  return formatPicos(BigInt(micros) * PICOS_PER_MICRO);
}
