/** Tokens that come on top of a prompt's texts: for each request, each message or other object of it, each attachment. */
interface Overhead {
  readonly request: number;
  readonly message: number;
  readonly attachment: number;
}

/**
 * What holds allow. Providers' templates add 3 per message and 3 of priming by the tokenizer's rules; doubled to be safe.
 * An attachment: more than the largest tile count of an image, a minute of audio or a page of a file that providers state.
 */
export const AT_MOST: Overhead = { request: 64, message: 8, attachment: 6_000 };

/** What estimates count; for an attachment, an image of unknown size. */
export const TYPICALLY: Overhead = { request: 3, message: 3, attachment: 800 };
