import { readFileSync } from 'node:fs';

/** The README at the top of the repository. */
export const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

/** The text under a heading of the second level, up to the next one. Throws when there is none. */
export function section(heading: string): string {
  const [, text] = README.split(`\n## ${heading}\n`);
  if (text === undefined) throw new Error(`the README has no section "${heading}"`);
  return text.split('\n## ')[0] ?? '';
}

/** The contents of code blocks of a language, in their order. */
export function codeBlocks(language: string): string[] {
  return [...README.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].flatMap(([, name, code = '']) =>
    name === language ? [code] : [],
  );
}

/** The rows of the first table in a text, each cell as it is written. */
export function tableOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}
