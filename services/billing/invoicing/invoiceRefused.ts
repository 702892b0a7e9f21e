/** More would not help whoever reads them. */
const MAX_PROBLEMS = 20;

/**
 * Something is wrong that no retry heals, so there is no invoice rather than a wrong one: the account stays parked at
 * this period until somebody has looked. Holds at most 20 problems and says how many there were.
 */
export class InvoiceRefused extends Error {
  override readonly name = 'InvoiceRefused';
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options?: ErrorOptions) {
    const shown = problems.slice(0, MAX_PROBLEMS);
    super(`refused to invoice (${String(problems.length)} problems): ${shown.join('; ')}`, options);
    this.problems = shown;
  }
}
