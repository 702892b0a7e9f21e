import { Command, Option } from 'commander';
import { Actions } from './actions.ts';
import { registerAccounts } from './commands/accounts.ts';
import { registerAudit } from './commands/audit.ts';
import { registerConfig } from './commands/config.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerInvoice } from './commands/invoice.ts';
import { registerKeys } from './commands/keys.ts';
import { registerPrices } from './commands/prices.ts';
import { registerRebuild } from './commands/rebuild.ts';
import { registerRequests } from './commands/requests.ts';
import { registerUsage } from './commands/usage.ts';
import { EXITS, exitTable } from './exits.ts';
import { failureJson, failureOf, failureText } from './failure.ts';
import { jsonText, type Outcome } from './outcome.ts';
import type { CliPorts } from './ports.ts';

/** Where a command writes: results to the one, everything else to the other. */
export interface Terminal {
  out(text: string): void;
  error(text: string): void;
}

const JSON_FLAG = '--json';
const ABOUT = [
  "Tallystick's command line, for its operator.",
  'Works beside a running service, or alone, on the data of DATA_DIR (default .tallystick) or DATABASE_URL.',
  'Everything is configured as for the service.',
].join(' ');

const GROUPS: readonly ((program: Command, actions: Actions) => void)[] = [
  registerKeys,
  registerAccounts,
  registerUsage,
  registerRequests,
  registerInvoice,
  registerAudit,
  registerRebuild,
  registerPrices,
  registerDoctor,
  registerConfig,
];

/**
 * Runs one command and resolves with its exit code. stdout gets the result and nothing else; with `--json` that is one
 * JSON document, and a failure is one line of JSON on stderr. Never rejects.
 */
export async function run(
  argv: readonly string[],
  ports: CliPorts,
  terminal: Terminal,
  version: string,
): Promise<number> {
  const isJson = argv.includes(JSON_FLAG);
  let exit: keyof typeof EXITS = 'ok';
  const deliver = (outcome: Outcome): void => {
    terminal.out(isJson ? jsonText(outcome.data) : `${outcome.text}\n`);
    exit = outcome.exit ?? 'ok';
  };
  try {
    const program = new Command('tallystick').version(version).configureOutput({
      writeOut: (text) => terminal.out(text),
      // Help for a command that lacks its subcommand.
      writeErr: (text) => isJson || terminal.error(text),
      // What else is wrong with a command is told below, once.
      outputError: () => undefined,
    });
    await withCommands(program, new Actions(ports, deliver)).parseAsync([...argv], { from: 'user' });
  } catch (error) {
    const failure = failureOf(error);
    exit = failure.exit;
    if (exit !== 'ok') terminal.error(isJson ? failureJson(failure) : failureText(failure));
  }
  return EXITS[exit].code;
}

function withCommands(program: Command, actions: Actions): Command {
  program
    .description(ABOUT)
    .addOption(new Option(JSON_FLAG, 'one JSON document instead of text'))
    .addHelpText('afterAll', `\n${exitTable()}`)
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  for (const register of GROUPS) register(program, actions);
  return program;
}
