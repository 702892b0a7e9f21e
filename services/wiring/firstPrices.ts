import { ConfigError } from '../../infra/config/config.ts';
import { DEFAULT_PRICE_BOOK, loadPriceBookFile } from '../../infra/pricebook/loadPriceBookFile.ts';
import { PriceBookRefused } from '../billing/pricebook/priceBookFile.ts';
import { publishPriceBook } from '../billing/pricebook/publishPriceBook.ts';
import type { Core } from './core.ts';

/** A fresh log gets its first price book; later ones come by command. Throws ConfigError when PRICE_FILE is none. */
export async function publishFirstPrices(core: Core): Promise<void> {
  const { events } = await core.store.readAll({ after: 0n, limit: 1, categories: ['pricebook'] });
  if (events.length > 0) return;
  const contents = await loadPriceBookFile(core.config.PRICE_FILE ?? DEFAULT_PRICE_BOOK).catch((error: unknown) => {
    throw new ConfigError([`PRICE_FILE: ${error instanceof Error ? error.message : String(error)}`]);
  });
  try {
    await publishPriceBook(core.store, contents, core.runtime);
  } catch (error) {
    if (!(error instanceof PriceBookRefused)) throw error;
    throw new ConfigError(error.problems.map((problem) => `PRICE_FILE: ${problem}`));
  }
}
