import type { Command } from 'commander';
import { z } from 'zod';
import type { Actions } from '../actions.ts';
import { examine, exitOf, type Check } from '../doctor/examine.ts';
import type { Outcome } from '../outcome.ts';
import { tableOf } from '../table.ts';

const doctor = z.object({ call: z.boolean() });

/** `doctor`: what is wrong with this installation. */
export function registerDoctor(program: Command, actions: Actions): void {
  program
    .command('doctor')
    .description('look for everything that could be wrong here, changing nothing but for one call on the test ledger')
    .option('--no-call', 'make no call')
    .action(actions.aside(doctor, async (input) => report(await examine(actions.ports.probes, input))));
}

function report(checks: readonly Check[]): Outcome {
  const exit = exitOf(checks);
  const documents = checks.map(({ name, status, detail, problems }) => ({ name, status, detail, problems }));
  const table = tableOf(
    [
      { head: 'check', of: ({ name }) => name },
      { head: '', of: ({ status }) => status },
      { head: 'detail', of: ({ detail }) => detail },
    ],
    checks,
    '',
  );
  return {
    data: { ok: exit === 'ok', checks: documents },
    text: [table, ...checks.flatMap(problemLines), exit === 'ok' ? 'All is well.' : 'Something must be mended.'].join(
      '\n',
    ),
    exit,
  };
}

function problemLines({ name, problems }: Check): string[] {
  return problems.length === 0 ? [] : [`${name}:`, ...problems.map((problem) => `  - ${problem}`)];
}
