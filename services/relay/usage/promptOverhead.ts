/** Tokens that come on top of a prompt's texts: for each request, each message or other object of it. */
interface Overhead {
  readonly request: number;
  readonly message: number;
}

/**
 * What holds allow. Providers' templates add 3 per message and 3 of priming by the tokenizer's rules; doubled to be safe.
 * For attachments see `attachments.ts`.
 */
export const AT_MOST: Overhead = { request: 64, message: 8 };

/** What estimates count; for an attachment, an image of unknown size. */
export const TYPICALLY: Overhead & { readonly attachment: number } = { request: 3, message: 3, attachment: 800 };
