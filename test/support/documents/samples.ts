import { readFileSync } from 'node:fs';

/**
 * The five documents whose clients are served here. The `.txt` beside this file that bears a name holds the document's
 * samples, each exactly as it is printed there, below a line `=== title`.
 */
export type DocumentName = 'developerGuide' | 'portal' | 'ollamaService' | 'relayReference' | 'agentGateway';

/** A sample's text with these exchanged: address and key, and whatever else a reader must fill in. Throws when there is none of either. */
export function sample(document: DocumentName, title: string, filledIn: Readonly<Record<string, string>> = {}): string {
  const samples = samplesOf(document);
  const text = samples.get(title);
  if (text === undefined) throw new Error(`${document} has no sample "${title}": ${[...samples.keys()].join(', ')}`);
  return Object.entries(filledIn).reduce((written, [placeholder, value]) => {
    if (!written.includes(placeholder)) throw new Error(`the sample "${title}" does not hold "${placeholder}"`);
    return written.replaceAll(placeholder, value);
  }, text);
}

/** A sample that is JSON. */
export function jsonSample(
  document: DocumentName,
  title: string,
  filledIn: Readonly<Record<string, string>> = {},
): unknown {
  return JSON.parse(sample(document, title, filledIn));
}

function samplesOf(document: DocumentName): ReadonlyMap<string, string> {
  const text = readFileSync(new URL(`${document}.txt`, import.meta.url), 'utf8');
  const parts = text.split(/^=== (.+)\n/m).slice(1);
  return new Map(parts.flatMap((part, index) => (index % 2 === 0 ? [[part, parts[index + 1] ?? '']] : [])));
}
