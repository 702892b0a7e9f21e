import { CommanderError } from 'commander';
import { StoreUnavailable } from '../../events/eventStore.ts';
import { InvoiceRefused } from '../billing/invoicing/invoiceRefused.ts';
import { PriceBookRefused } from '../billing/pricebook/priceBookFile.ts';
import { ApiError, type ErrorCode } from '../http/errors.ts';
import { EXITS, type Exit } from './exits.ts';

/** A command cannot do what it was asked. The message is for the operator. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly exit: Exit;
  /** What is wrong, one by one, when there is more than the message says. */
  readonly problems: readonly string[];
  constructor(exit: Exit, message: string, options: { problems?: readonly string[]; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.exit = exit;
    this.problems = options.problems ?? [];
  }
}

export interface Failure {
  readonly exit: Exit;
  readonly message: string;
  readonly problems: readonly string[];
}

/** Any error as a failure with its exit; help and version, which commander throws, are `ok`. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandFailed) return { exit: error.exit, message: whole(error), problems: error.problems };
  if (error instanceof CommanderError) return { ...ofCommander(error), problems: [] };
  if (error instanceof StoreUnavailable) return { exit: 'unavailable', message: whole(error), problems: [] };
  if (error instanceof ApiError)
    return { exit: EXIT_OF[error.code] ?? 'failed', message: sentence(error), problems: [] };
  if (error instanceof PriceBookRefused) {
    return { exit: 'usage', message: 'The price book is not valid.', problems: error.problems };
  }
  if (error instanceof InvoiceRefused) {
    return { exit: 'refused', message: 'There is no invoice rather than a wrong one.', problems: error.problems };
  }
  return { exit: 'failed', message: whole(error), problems: [] };
}

/** For people: the message, then each problem on a line of its own. Ends with a line feed. */
export function failureText({ message, problems }: Failure): string {
  return `${[message, ...problems.map((problem) => `  - ${problem}`)].join('\n')}\n`;
}

/** For machines: one line of JSON. */
export function failureJson({ exit, message, problems }: Failure): string {
  return `${JSON.stringify({ error: { kind: exit, exitCode: EXITS[exit].code, message, problems } })}\n`;
}

/** Commander's word for help: asked for, or shown because a command stands without its subcommand. */
const HELP = 'commander.help';

function ofCommander({ code, exitCode, message }: CommanderError): { exit: Exit; message: string } {
  if (exitCode === 0) return { exit: 'ok', message: '' };
  if (code === HELP) return { exit: 'usage', message: 'Which command? See --help.' };
  return { exit: 'usage', message: message.replace(/^error: /, '') };
}

/** Refusals that a command can run into; any other code would be a surprise. */
const EXIT_OF: Readonly<Partial<Record<ErrorCode, Exit>>> = {
  not_found: 'not_found',
  invalid_request: 'usage',
  key_state: 'refused',
  max_keys_reached: 'refused',
  service_unavailable: 'unavailable',
};

function sentence({ message, extra }: ApiError): string {
  const facts = Object.entries(extra).map(([name, value]) => `${name} ${String(value)}`);
  return facts.length === 0 ? message : `${message} (${facts.join(', ')})`;
}

/** The message together with those of what caused it. */
function whole(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const message = error.message === '' && error instanceof AggregateError ? whole(error.errors[0]) : error.message;
  return error.cause === undefined ? message : `${message}: ${whole(error.cause)}`;
}
