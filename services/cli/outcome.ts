import type { Exit } from './exits.ts';

/** What a command found or did. */
export interface Outcome {
  /** Becomes the one JSON document of `--json`. A bigint in it is written as decimal text. */
  readonly data: object;
  /** The same for people. Ends without a line feed. */
  readonly text: string;
  /** `ok` when absent. */
  readonly exit?: Exit;
}

/** The text of `--json`: two spaces of indentation and a line feed at the end. */
export function jsonText(data: object): string {
  const plain = (_name: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
  return `${JSON.stringify(data, plain, 2)}\n`;
}
