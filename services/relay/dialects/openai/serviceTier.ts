import { textIn } from '../../wire/json.ts';

/** Words for the tier that everybody has, and for leaving it to the provider. */
const USUAL: ReadonlySet<string> = new Set(['auto', 'default', 'standard']);

/** The variant that a stated `service_tier` is, as price books spell it; null for the usual one, and where none is stated. */
export function tierVariant(stated: unknown): string | null {
  const tier = textIn(stated).toLowerCase();
  return tier === '' || USUAL.has(tier) ? null : tier;
}

/** Whether asking for this tier can cost the operator only what is billed: it is the usual one, or it has a price. */
export function mayAskTier(asked: string | null | undefined, isPriced: (variant: string) => boolean): boolean {
  return asked === null || asked === undefined || USUAL.has(asked) || isPriced(asked);
}
