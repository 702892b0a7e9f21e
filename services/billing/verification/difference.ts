import { StoreUnavailable } from '../../../events/eventStore.ts';

/** Where an invoice and the events behind it do not say the same: `line 3 exactPicos`. */
export interface Difference {
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

/** The fields of two flat records that differ, named after what holds them. */
export function differingFields(where: string, expected: object, found: object): Difference[] {
  const left = new Map<string, unknown>(Object.entries(expected));
  const right = new Map<string, unknown>(Object.entries(found));
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter((field) => left.get(field) !== right.get(field))
    .map((field) => ({ where: `${where} ${field}`, expected: show(left.get(field)), found: show(right.get(field)) }));
}

/** Runs a check that may find bytes it cannot read: that is a difference, too. Only StoreUnavailable passes. */
export async function differenceOnFailure<T>(
  where: string,
  differences: Difference[],
  check: () => Promise<T> | T,
): Promise<T | null> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof StoreUnavailable || !(error instanceof Error)) throw error;
    differences.push({ where, expected: 'events that can be read and billed', found: error.message });
    return null;
  }
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
