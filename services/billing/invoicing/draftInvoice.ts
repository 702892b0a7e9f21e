import { METERS, type Meter } from '../../../events/meters.ts';
import type { Mode } from '../../../events/envelope.ts';
import type { InvoiceDrafted, InvoiceLine } from '../../../events/invoice/invoice.events.ts';
import { roundToMinorUnits, type Currency } from '../../../events/money.ts';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import type { UsageFact } from '../ports.ts';
import type { PriceByVersion } from '../pricebook/priceBooks.ts';
import { cardOf, unitPrice } from '../rating/card.ts';
import { rate } from '../rating/rate.ts';
import { InvoiceRefused } from './invoiceRefused.ts';
import { LineFold } from './lineFold.ts';

/** More lines than a person, or one event, should hold. */
export const MAX_LINES = 20_000;
/** Past this the books are wrong as a whole, and listing more only costs memory. */
const MAX_PROBLEMS = 1_000;

export type InvoiceDraft = Pick<InvoiceDrafted, 'currency' | 'lines' | 'exactTotalPicos' | 'total' | 'roundingAmount'>;

/**
 * The invoices, one per currency in order of its code, that these facts make; none for no usage. Facts must come in
 * ascending order of request id. Throws InvoiceRefused rather than bill a fact whose amount is not its usage at its
 * price, a total below zero, or more than 20 000 lines.
 */
export function draftInvoices(facts: Iterable<UsageFact>, prices: PriceByVersion, mode: Mode): InvoiceDraft[] {
  const fold = new DraftFold(prices, mode);
  for (const fact of facts) fold.add(fact);
  return fold.finish();
}

/** `draftInvoices` for facts that arrive page by page. Memory grows with lines, not with facts. */
export class DraftFold {
  readonly #prices: PriceByVersion;
  readonly #mode: Mode;
  /** By what facts of the same key, model and price have in common, then by meter. A meter has a line for each of its unit prices. */
  readonly #lines = new Map<string, Map<Meter, LineFold[]>>();
  readonly #problems: string[] = [];
  #lastRequestId = '';

  constructor(prices: PriceByVersion, mode: Mode) {
    this.#prices = prices;
    this.#mode = mode;
  }

  add(fact: UsageFact): void {
    if (fact.requestId < this.#lastRequestId) throw new Error('usage facts are not in ascending order of request id');
    this.#lastRequestId = fact.requestId;
    const priced = this.#prices(fact.priceVersion, fact.model);
    const problem = priced ? problemOf(fact, priced, this.#mode) : `no price for ${fact.model} in ${fact.priceVersion}`;
    if (problem !== null) {
      this.#problems.push(`request ${fact.requestId}: ${problem}`);
      if (this.#problems.length >= MAX_PROBLEMS) throw new InvoiceRefused(this.#problems);
    } else if (priced) {
      const lines = this.#linesOf(fact);
      const card = cardOf(priced.price, fact.usage);
      for (const meter of METERS) {
        const quantity = fact.usage[meter];
        if (quantity) lineOf(lines, fact, meter, unitPrice(card, meter)).add(fact.requestId, quantity);
      }
    }
  }

  /** Call once, after the last fact. */
  finish(): InvoiceDraft[] {
    const folds = [...this.#lines.values()].flatMap((lines) => [...lines.values()].flat()).toSorted(byIdentity);
    if (folds.length > MAX_LINES) this.#problems.push(`${String(folds.length)} lines, at most ${String(MAX_LINES)}`);
    for (const fold of folds) {
      if (!fold.isCountable) this.#problems.push(`${JSON.stringify(fold.identity)}: quantity past 2^53 - 1`);
    }
    const drafts = [...Map.groupBy(folds, (fold) => fold.identity.currency)].map(([currency, lines]) =>
      total(currency, lines),
    );
    for (const draft of drafts) {
      if (draft.exactTotalPicos.startsWith('-')) {
        this.#problems.push(`the total in ${draft.currency} is below zero: ${draft.exactTotalPicos} picos`);
      }
    }
    if (this.#problems.length > 0) throw new InvoiceRefused(this.#problems);
    return drafts;
  }

  #linesOf({ keyId, model, priceVersion, currency }: UsageFact): Map<Meter, LineFold[]> {
    const key = `${keyId}\n${priceVersion}\n${currency}\n${model}`;
    let lines = this.#lines.get(key);
    if (!lines) {
      lines = new Map();
      this.#lines.set(key, lines);
    }
    return lines;
  }
}

function lineOf(lines: Map<Meter, LineFold[]>, fact: UsageFact, meter: Meter, price: bigint): LineFold {
  const ofMeter = lines.get(meter) ?? [];
  const standing = ofMeter.find((line) => line.unitPrice === price);
  if (standing) return standing;
  const { keyId, model, priceVersion, currency } = fact;
  const line = new LineFold({ keyId, model, meter, priceVersion, currency }, price);
  lines.set(meter, [...ofMeter, line]);
  return line;
}

function problemOf(fact: UsageFact, priced: ModelPrice, mode: Mode): string | null {
  if (fact.mode !== mode) return `${fact.mode} usage in a ${mode} account`;
  if (fact.currency !== priced.currency) return `charged in ${fact.currency}, priced in ${priced.currency}`;
  const rated = rate(priced.price, fact.usage);
  if (rated !== fact.amount) return `charged ${fact.amount.toString()} picos, rated ${rated.toString()}`;
  return null;
}

function total(currency: Currency, folds: readonly LineFold[]): InvoiceDraft {
  const lines = folds.map((fold, index): InvoiceLine => fold.finish(index + 1));
  const exactTotal = folds.reduce((sum, fold) => sum + fold.exact, 0n);
  const rounded = roundToMinorUnits(exactTotal, currency);
  const sumOfLines = lines.reduce((sum, line) => sum + BigInt(line.amount), 0n);
  return {
    currency,
    lines,
    exactTotalPicos: exactTotal.toString(),
    total: rounded.toString(),
    roundingAmount: (rounded - sumOfLines).toString(),
  };
}

/** Currency, key, model, meter in the order of the vector, price version, unit price: an order that does not depend on the facts' order. */
function byIdentity(
  { identity: a, unitPrice: priceA }: LineFold,
  { identity: b, unitPrice: priceB }: LineFold,
): number {
  return (
    compare(a.currency, b.currency) ||
    compare(a.keyId, b.keyId) ||
    compare(a.model, b.model) ||
    METERS.indexOf(a.meter) - METERS.indexOf(b.meter) ||
    compare(a.priceVersion, b.priceVersion) ||
    Number(priceA - priceB)
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
