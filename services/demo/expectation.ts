/** Something is not as Tallystick promises, so the demonstration ends here. */
export class Unmet extends Error {
  override readonly name = 'Unmet';
  constructor(what: string, expected: string, found: string) {
    super(`${what}\n  expected: ${expected}\n  found:    ${found}`);
  }
}

/** Throws Unmet unless both are the same text, number, bigint or boolean. */
export function expectSame(what: string, found: string | number | bigint | boolean, expected: typeof found): void {
  if (found !== expected) throw new Unmet(what, String(expected), String(found));
}

/** The value. Throws Unmet when there is none. */
export function expectFound<T>(what: string, found: T | null | undefined): T {
  if (found === null || found === undefined) throw new Unmet(what, 'to be there', 'nothing');
  return found;
}
