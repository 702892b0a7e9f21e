import type { Command } from 'commander';
import { z } from 'zod';
import type { Actions } from '../actions.ts';
import type { Outcome } from '../outcome.ts';
import type { Setting } from '../ports.ts';
import { tableOf, type Column } from '../table.ts';

/** `config`: what the environment makes of the defaults. */
export function registerConfig(program: Command, actions: Actions): void {
  program
    .command('config')
    .description('the effective configuration and where each value comes from; secrets are masked')
    .action(actions.aside(z.object({}), () => showSettings(actions.ports.settings())));
}

function showSettings(settings: readonly Setting[]): Outcome {
  return { data: { settings }, text: tableOf(COLUMNS, settings, 'Nothing can be configured.') };
}

const COLUMNS: readonly Column<Setting>[] = [
  { head: 'name', of: (setting) => setting.name },
  { head: 'value', of: (setting) => String(setting.value ?? '') },
  { head: 'source', of: (setting) => setting.source },
  { head: 'meaning', of: (setting) => setting.description },
];
