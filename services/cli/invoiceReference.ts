import { z } from 'zod';
import { invoiceStream } from '../../events/ids.ts';
import { CommandFailed } from './failure.ts';
import type { Installation } from './ports.ts';

const NUMBER = /^(INV|TEST)-\d{4}-\d{6,}$/;

/** An invoice by its id or its number. */
export const invoiceReference = z
  .string()
  .refine(
    (text) => NUMBER.test(text) || z.uuid().safeParse(text).success,
    'must be an invoice id or a number such as INV-2026-000001',
  );

/** The id of an existing invoice. Throws CommandFailed `not_found`. */
export async function invoiceIdNamed(installation: Installation, reference: string): Promise<string> {
  const { store, answers } = installation;
  const invoiceId = NUMBER.test(reference) ? await answers.invoiceOfNumber(reference) : reference.toLowerCase();
  const found =
    invoiceId === null ? [] : await store.readStream(invoiceStream(invoiceId), { direction: 'forwards', limit: 1 });
  if (invoiceId === null || found.length === 0) {
    throw new CommandFailed('not_found', `There is no invoice ${reference}.`);
  }
  return invoiceId;
}
