/** Long enough to say what is wrong, too short to echo a prompt. */
const MAX_LENGTH = 500;
/** Bounds the work of the patterns below. */
const MAX_READ = 4_000;

/** What must not reach a client, by its shape. Every pattern is linear in the text. */
const REDACTIONS: readonly (readonly [RegExp, string])[] = [
  [/\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s"'<>)\]]+/gi, '[url]'],
  [/\bBearer\s+\S+/gi, 'Bearer [redacted]'],
  [/\btly_(?:live|test)_\w+/g, '[key]'],
  [/\b(?:sk|pk|rk)-[\w*-]{6,}/g, '[key]'],
  [/\bAIza[\w-]{10,}/g, '[key]'],
  [/\beyJ[\w-]+\.[\w-]+(?:\.[\w-]+)?/g, '[token]'],
  [/\b(?:org|proj|user|acct|asst)[-_][A-Za-z0-9]{8,}/g, '[id]'],
  [/[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}/g, '[e-mail]'],
  [/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b/g, '[host]'],
  [/\[[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}\](?::\d{1,5})?/gi, '[host]'],
  [/\blocalhost(?::\d{1,5})?/gi, '[host]'],
  [/\b(?:[a-z0-9-]{1,63}\.){1,8}(?:internal|local|lan|svc|corp|intranet|cluster)\b(?::\d{1,5})?/gi, '[host]'],
  [/\b[A-Za-z0-9_-]{0,8}[A-Za-z0-9]{32,}\b/g, '[redacted]'],
];

/** An upstream's sentence made fit for the client: one line, at most 500 characters, no keys, addresses, hosts or ids. */
export function publicMessage(upstreamMessage: string): string {
  const oneLine = upstreamMessage
    .slice(0, MAX_READ)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  const redacted = REDACTIONS.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), oneLine);
  return redacted.length <= MAX_LENGTH ? redacted : `${redacted.slice(0, MAX_LENGTH - 1)}…`;
}
