/** How a command can end. `--help` shows this table, and scripts may rely on it. */
export const EXITS = {
  ok: { code: 0, meaning: 'done' },
  failed: { code: 1, meaning: 'failed for a reason that nobody expected' },
  usage: { code: 2, meaning: 'the command, a file it was given or the configuration is not valid' },
  difference: { code: 3, meaning: 'a verification or a rebuild found a difference' },
  not_found: { code: 4, meaning: 'there is no such user, account, key, invoice or data directory' },
  refused: { code: 5, meaning: 'a rule forbids it: a period that is not over, a key that is revoked' },
  unavailable: { code: 69, meaning: 'the store cannot be reached or does not keep up; try again' },
} as const satisfies Record<string, { code: number; meaning: string }>;

export type Exit = keyof typeof EXITS;

/** The table as the help prints it. */
export function exitTable(): string {
  const lines = Object.values(EXITS).map(({ code, meaning }) => `  ${String(code).padEnd(3)} ${meaning}`);
  return `Exit codes:\n${lines.join('\n')}`;
}
