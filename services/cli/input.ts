import type { Command } from 'commander';
import { z } from 'zod';
import { identifier, mode, periodLabel } from '../../events/envelope.ts';
import { toInstant } from '../runtime.ts';
import { CommandFailed } from './failure.ts';

/** The options and arguments of a command by name, checked. Throws CommandFailed `usage` with every problem. */
export function inputOf<S extends z.ZodType>(schema: S, command: Command): z.output<S> {
  const given = command.registeredArguments.map(
    (argument, at) => [argument.name(), command.processedArgs[at]] as const,
  );
  const parsed = schema.safeParse({ ...command.opts(), ...Object.fromEntries(given) });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${asTyped(command, issue.path[0])}: ${issue.message}`);
  throw new CommandFailed('usage', `This is not how ${fullName(command)} is used; see its --help.`, { problems });
}

/** What the operator typed for a field: `--expires-at`, or `<key>`. */
function asTyped(command: Command, field: PropertyKey | undefined): string {
  const name = String(field);
  const option = command.options.find((candidate) => candidate.attributeName() === name);
  return option?.long ?? `<${name}>`;
}

function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

const NO_LIMIT = 'none';

const isPeriod = (text: string) => periodLabel.safeParse(text).success;
const isAccount = (text: string) => text.startsWith('acct_') && identifier.safeParse(text).success;

/** An e-mail address or a user id. */
export const userField = z.string().min(1).max(254);
export const accountField = z.string().refine(isAccount, 'must be an account id, acct_…');
export const modeField = mode;
export const periodField = z.string().refine(isPeriod, 'must be a month such as 2026-11');
export const reasonField = z.string().max(200, 'must have at most 200 characters').default('');

/** A whole number, or null for `none`. */
export const countOrNone = z
  .string()
  .refine((text) => text === NO_LIMIT || /^\d{1,15}$/.test(text), 'must be a whole number, or "none" for no limit')
  .transform((text) => (text === NO_LIMIT ? null : Number(text)));

const isInstant = (text: string) => z.iso.datetime({ offset: true }).safeParse(text).success;

/** The stored text of an instant, or null for `none`. */
export const instantOrNone = z
  .string()
  .refine((text) => text === NO_LIMIT || isInstant(text), 'must be an instant such as 2026-12-31T00:00:00Z, or "none"')
  .transform((text) => (text === NO_LIMIT ? null : toInstant(Date.parse(text))));

/** A whole number within bounds. */
export function count(min: number, max: number) {
  const problem = `must be a whole number from ${String(min)} to ${String(max)}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, problem)
    .transform(Number)
    .refine((value) => value >= min && value <= max, problem);
}
