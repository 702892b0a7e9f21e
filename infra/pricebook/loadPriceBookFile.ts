import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** The models and prices that a fresh installation starts with. */
export const DEFAULT_PRICE_BOOK = fileURLToPath(new URL('default.yaml', import.meta.url));

/**
 * The contents of a price book file, YAML or JSON, not yet validated: `publishPriceBook` does that. Throws Error naming
 * the file when it cannot be read or is not YAML.
 */
export async function loadPriceBookFile(path: string): Promise<unknown> {
  try {
    return parse(await readFile(path, 'utf8'), { uniqueKeys: true, maxAliasCount: 0 }) as unknown;
  } catch (cause) {
    throw new Error(`cannot read the price book ${path}`, { cause });
  }
}
