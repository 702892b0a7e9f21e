import type { Command } from 'commander';
import { z } from 'zod';
import type { Actions } from '../actions.ts';
import { CommandFailed } from '../failure.ts';
import type { Outcome } from '../outcome.ts';
import type { Installation, RebuildReport } from '../ports.ts';
import { tableOf, type Column } from '../table.ts';

const rebuild = z.object({
  names: z.array(z.string()),
  swap: z.boolean().default(false),
  force: z.boolean().default(false),
});

/** `rebuild`: read models again from the first event on. */
export function registerRebuild(program: Command, actions: Actions): void {
  const known = actions.ports.projections;
  program
    .command('rebuild')
    .argument('[names...]', `of ${known.join(', ')}; all unless named`)
    .description('fill read models again from the first event on, beside the live ones, and compare')
    .option('--swap', 'put the rebuilt tables in place of the live ones when they are equal')
    .option('--force', 'with --swap: also when they differ, which heals damaged or parked read models')
    .action(
      actions.opened(rebuild, (installation, input) => {
        const unknown = input.names.filter((name) => !known.includes(name));
        if (unknown.length > 0) {
          throw new CommandFailed('usage', `There is no read model ${unknown.join(', ')}: ${known.join(', ')}.`);
        }
        const names = input.names.length > 0 ? known.filter((name) => input.names.includes(name)) : known;
        return rebuildAll(installation, names, swapOf(input));
      }),
    );
}

type Swap = Parameters<Installation['rebuild']>[1];

function swapOf({ swap, force }: { readonly swap: boolean; readonly force: boolean }): Swap {
  if (force && !swap) throw new CommandFailed('usage', '--force means nothing without --swap.');
  if (!swap) return 'never';
  return force ? 'always' : 'whenEqual';
}

async function rebuildAll(installation: Installation, names: readonly string[], swap: Swap): Promise<Outcome> {
  const reports: RebuildReport[] = [];
  for (const name of names) reports.push(withoutSecrets(await installation.rebuild(name, swap)));
  const differs = reports.some(({ equal, swapped }) => !equal && !swapped);
  return {
    data: { equal: reports.every(({ equal }) => equal), projections: reports },
    text: [tableOf(COLUMNS, reports.flatMap(rowsOf), 'Nothing to rebuild.'), ...reports.flatMap(remarksOf)].join('\n'),
    ...(differs && { exit: 'difference' as const }),
  };
}

interface Row {
  readonly report: RebuildReport;
  readonly table: RebuildReport['tables'][number];
}

const COLUMNS: readonly Column<Row>[] = [
  { head: 'read model', of: ({ report }) => report.name },
  { head: 'table', of: ({ table }) => table.table },
  { head: 'rows', align: 'right', of: ({ table }) => String(table.rows) },
  { head: 'up to position', align: 'right', of: ({ report }) => report.position.toString() },
  { head: 'compared', of: ({ table }) => (table.equal ? 'equal' : 'DIFFERENT') },
  { head: 'in place', of: ({ report }) => (report.swapped ? 'rebuilt' : 'live') },
];

function rowsOf(report: RebuildReport): Row[] {
  return report.tables.map((table) => ({ report, table }));
}

function remarksOf({ name, tables, parked }: RebuildReport): string[] {
  const differences = tables.flatMap(({ table, firstDifference }) =>
    firstDifference
      ? [
          `First difference in ${name}.${table}:`,
          `  live:    ${firstDifference.live ?? 'no such row'}`,
          `  rebuilt: ${firstDifference.rebuilt ?? 'no such row'}`,
        ]
      : [],
  );
  if (parked.length === 0) return differences;
  return [...differences, `Events that ${name} cannot apply keep these accounts parked: ${parked.join(', ')}`];
}

/** Rows of `keys` hold hashes and sealed data; of those only what identifies the row is shown. */
function withoutSecrets(report: RebuildReport): RebuildReport {
  if (report.name !== 'keys') return report;
  const identity = (row: string | null) => row && `${row.split(',', 1)[0] ?? ''}, …)`;
  return {
    ...report,
    tables: report.tables.map((table) => {
      const { firstDifference } = table;
      if (!firstDifference) return table;
      const { live, rebuilt } = firstDifference;
      return { ...table, firstDifference: { live: identity(live), rebuilt: identity(rebuilt) } };
    }),
  };
}
