/** A day: longer hints are of no use to anybody who waits. */
const MAX_HINT_MS = 86_400_000;

export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * How long an upstream asks to be left alone, in milliseconds: `retry-after-ms`, else `retry-after` in seconds or as an
 * HTTP date. A date is counted from the answer's own `date`, so that no difference between two clocks matters; without
 * one it is no hint. Null when there is no usable hint.
 */
export function parseRetryAfter(headers: ResponseHeaders): number | null {
  const milliseconds = nonNegative(first(headers['retry-after-ms']));
  if (milliseconds !== null) return Math.min(Math.ceil(milliseconds), MAX_HINT_MS);
  const hint = first(headers['retry-after']);
  if (hint === null) return null;
  const seconds = nonNegative(hint);
  if (seconds !== null) return Math.min(Math.ceil(seconds * 1_000), MAX_HINT_MS);
  const until = httpDate(hint);
  const sentAt = httpDate(first(headers['date']));
  return until === null || sentAt === null ? null : Math.min(Math.max(until - sentAt, 0), MAX_HINT_MS);
}

function first(value: string | readonly string[] | undefined): string | null {
  const text = typeof value === 'string' ? value : value?.[0];
  return text === undefined ? null : text.trim();
}

function nonNegative(text: string | null): number | null {
  return text !== null && /^\d{1,12}(\.\d{1,6})?$/.test(text) ? Number(text) : null;
}

/** `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7). The weekday is required, so that no bare number is read as a year. */
function httpDate(text: string | null): number | null {
  if (text === null || !/^[A-Za-z]{3,9},? /.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}
