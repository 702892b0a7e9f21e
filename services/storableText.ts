import { z } from 'zod';

/** Whether a text is one that PostgreSQL holds: whole characters, none of them NUL. What is not was never stored, so it names nothing. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** Text of a client that is stored or compared with what is. Ids that are looked up may be any text: see `isStorable`. */
export const storableText = z.string().refine(isStorable, 'must be whole characters without NUL');
