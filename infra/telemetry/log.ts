import { pino, type DestinationStream, type Logger } from 'pino';

/** Anything that looks like one of our keys, a provider key, a JWT, or a password in a URL. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/tly_(live|test)_[0-9A-Za-z]{8,}/g, 'tly_$1_[redacted]'],
  [/\bsk-[0-9A-Za-z_-]{8,}/g, 'sk-[redacted]'],
  [/\bAIza[0-9A-Za-z_-]{20,}/g, '[redacted]'],
  [/\beyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+/g, '[redacted jwt]'],
  [/\bBearer\s+[^\s"',]{6,}/gi, 'Bearer [redacted]'],
  [/([?&](?:api_)?key=)[^&\s"]+/gi, '$1[redacted]'],
  [/(\w+:\/\/[^\s:/@]+:)[^\s@/]+@/g, '$1[redacted]@'],
];

/** Removes secrets from a text by their shape, wherever they stand. */
export function redact(text: string): string {
  return SECRETS.reduce((cleaned, [pattern, replacement]) => cleaned.replace(pattern, replacement), text);
}

/** JSON lines on stdout. Every finished line is redacted by value, so no field can leak by having the wrong name. */
export function createLogger(level: string, destination: { write(line: string): unknown } = process.stdout): Logger {
  const redacting: DestinationStream = { write: (line) => void destination.write(redact(line)) };
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, errorKey: 'error' }, redacting);
}
