import { pino, type DestinationStream, type Logger } from 'pino';

/** Anything that looks like one of our keys, a provider key, a JWT, or a password in a URL. Each is linear in the text. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/tly_(live|test)_[0-9A-Za-z]{8,}/g, 'tly_$1_[redacted]'],
  [/\bsk-[0-9A-Za-z_-]{8,}/g, 'sk-[redacted]'],
  [/\bAIza[0-9A-Za-z_-]{20,}/g, '[redacted]'],
  // Looked for once in each word, and only where two more follow: from every `eyJ` of a word, a search would read on to
  // its end. No part has a greatest length, for what is beyond it would stay.
  [/(?<![\w-])(?=[\w-]+\.[\w-]+\.[\w-])[\w-]*eyJ[\w-]+\.[\w-]+\.[\w-]+/g, '[redacted jwt]'],
  [/\bBearer\s+[^\s"',]{6,}/gi, 'Bearer [redacted]'],
  [/([?&](?:(?:api_)?key|password|token)=)[^&\s"]+/gi, '$1[redacted]'],
  [/\b(\w{1,32}:\/\/[^\s:/@]*:)[^\s/]+@/g, '$1[redacted]@'],
];

/** Where Redis' errors have the arguments of a command, and PostgreSQL's the text that it could not read. */
const REPEATED: ReadonlySet<string> = new Set(['args', 'where', 'detail', 'internalQuery']);

/** Removes secrets from a text by their shape, wherever they stand. */
export function redact(text: string): string {
  return SECRETS.reduce((cleaned, [pattern, replacement]) => cleaned.replace(pattern, replacement), text);
}

/**
 * JSON lines on stdout. Every name and text of a finished line is redacted by value, so no field can leak by having the
 * wrong name; one by one, because a secret with a quote in it must not take the end of its text along. What errors repeat
 * of what a client or a command gave is left out: it may be a prompt, or a password, which has no shape.
 */
export function createLogger(level: string, destination: { write(line: string): unknown } = process.stdout): Logger {
  const redacting: DestinationStream = {
    write: (line) => void destination.write(`${JSON.stringify(redacted(JSON.parse(line)))}\n`),
  };
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, errorKey: 'error' }, redacting);
}

function redacted(value: unknown): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [redact(name), REPEATED.has(name) ? '[redacted]' : redacted(item)]),
  );
}
