import type { Behaviour } from './directives.ts';

/** What is said of a usage, true or false, as a member of an answer: no member when nothing is said. */
export function usageMember(usage: object, reported: Behaviour['usage']): { readonly usage?: object } {
  switch (reported) {
    case 'exact':
    case 'twice':
      return { usage };
    case 'none':
      return {};
    case 'zero':
      return { usage: withNumbers(usage, 0) };
    case 'absurd':
      return { usage: withNumbers(usage, 1e18) };
    case 'negative':
      return { usage: withNumbers(usage, -5) };
  }
}

/** The same object with this for every number in it. */
function withNumbers(value: object, number: number): object {
  const members = Object.entries(value).map(([name, member]: [string, unknown]) => [
    name,
    typeof member === 'number' ? number : isObject(member) ? withNumbers(member, number) : member,
  ]);
  return Object.fromEntries(members) as object;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
