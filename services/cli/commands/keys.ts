import { Option, type Command } from 'commander';
import { z } from 'zod';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { MAX_OVERLAP_MS } from '../../keys/key.decider.ts';
import { DEFAULT_OVERLAP_MS, type KeyWithSecret } from '../../keys/keyService.ts';
import type { KeySummary } from '../../keys/keySummary.ts';
import type { Actions } from '../actions.ts';
import { collect, count, instantOrNone, modeField, reasonField, userField } from '../input.ts';
import { limitFields, limitOptions, namedLimits } from '../limits.ts';
import type { Outcome } from '../outcome.ts';
import type { Installation } from '../ports.ts';
import { keyAt, keyDocument, keyTable } from '../render/keys.ts';
import { userNamed } from '../users.ts';

const owner = { user: userField.optional() };
const named = { ...owner, key: z.string() };
const models = z.array(z.string().min(1).max(200)).max(200).optional();
const reasoned = z.object({ ...named, reason: reasonField });

const list = z.object({ ...owner, mode: modeField.optional() });
const issue = z.object({
  ...owner,
  ...limitFields,
  name: z.string().trim().min(1, 'must not be empty').max(100),
  mode: modeField,
  model: models,
  expiresAt: instantOrNone.optional(),
});
const rotate = z.object({ ...named, overlapMs: count(0, MAX_OVERLAP_MS).optional() });
const restrict = z.object({
  ...named,
  ...limitFields,
  model: models,
  anyModel: z.boolean().default(false),
  expiresAt: instantOrNone.optional(),
});

/** What the log calls the doings of this command line. */
const CORRELATION = 'cli';

/** `keys`: the keys of one user. */
export function registerKeys(program: Command, actions: Actions): void {
  const keys = program.command('keys').description('issue, change and revoke API keys of a user');

  withOwner(keys.command('list'))
    .description('keys that may be used first, then newest first')
    .addOption(new Option('--mode <mode>', 'only these').choices(['live', 'test']))
    .action(actions.opened(list, listKeys));

  const issuing = withOwner(keys.command('issue'))
    .description('a new key; its secret is shown once')
    .requiredOption('--name <name>', 'what its owner calls it')
    .addOption(
      new Option('--mode <mode>', 'test keys call the simulated upstream').choices(['live', 'test']).default('live'),
    );
  withRestrictions(issuing).action(actions.opened(issue, issueKey));

  withOwner(keys.command('rotate <key>'))
    .description('a new secret, shown once; the old one goes on for a while')
    .option('--overlap-ms <count>', 'how long the old secret stays valid; a day unless given')
    .action(actions.opened(rotate, rotateKey));

  const restricting = withOwner(keys.command('restrict <key>')).description(
    'change what a key may do; only what is named changes',
  );
  withRestrictions(restricting)
    .addOption(new Option('--any-model', 'every priced model').conflicts('model'))
    .action(actions.opened(restrict, restrictKey));

  for (const [name, description] of Object.entries(CHANGES)) {
    withOwner(keys.command(`${name} <key>`))
      .description(description)
      .option('--reason <text>', 'kept in the record')
      .action(actions.opened(reasoned, changing(name as keyof typeof CHANGES)));
  }
}

const CHANGES = {
  disable: 'refuse a key until it is enabled',
  enable: 'let a disabled key be used again',
  revoke: 'refuse a key for ever',
} as const;

function withOwner(command: Command): Command {
  return command.option('--user <email or id>', 'whose keys; the first-run user unless given');
}

function withRestrictions(command: Command): Command {
  return limitOptions(command)
    .addOption(new Option('--model <name>', 'a model that the key may call; repeat for more').argParser(collect))
    .option('--expires-at <instant>', 'such as 2026-12-31T00:00:00Z, or "none"');
}

async function listKeys(installation: Installation, input: z.output<typeof list>): Promise<Outcome> {
  const user = await userNamed(installation, input.user);
  await installation.caughtUp();
  const found = await installation.keys.list(user, input.mode ?? null);
  const now = installation.runtime.clock.now();
  const keys = found.map((key) => keyAt(key, now));
  return { data: { userId: user.userId, keys: keys.map(keyDocument) }, text: keyTable(keys) };
}

async function issueKey(installation: Installation, input: z.output<typeof issue>): Promise<Outcome> {
  const user = await userNamed(installation, input.user);
  const wish = {
    name: input.name,
    mode: input.mode,
    limits: { ...NO_LIMITS, ...namedLimits(input) },
    models: input.model ?? null,
    expiresAt: input.expiresAt ?? null,
  };
  return shownOnce(installation, await installation.keys.issue(user, wish, CORRELATION));
}

async function rotateKey(installation: Installation, input: z.output<typeof rotate>): Promise<Outcome> {
  const user = await userNamed(installation, input.user);
  const overlapMs = input.overlapMs ?? DEFAULT_OVERLAP_MS;
  return shownOnce(installation, await installation.keys.rotate(user, input.key, overlapMs, CORRELATION));
}

async function restrictKey(installation: Installation, input: z.output<typeof restrict>): Promise<Outcome> {
  const user = await userNamed(installation, input.user);
  const limits = namedLimits(input);
  const changedModels = input.anyModel ? null : input.model;
  const change = {
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(changedModels !== undefined && { models: changedModels }),
    ...(input.expiresAt !== undefined && { expiresAt: input.expiresAt }),
  };
  return shown(installation, await installation.keys.restrict(user, input.key, change, CORRELATION));
}

function changing(change: keyof typeof CHANGES) {
  return async (installation: Installation, input: z.output<typeof reasoned>): Promise<Outcome> => {
    const user = await userNamed(installation, input.user);
    return shown(installation, await installation.keys[change](user, input.key, input.reason, CORRELATION));
  };
}

function shown({ runtime }: Installation, changed: KeySummary): Outcome {
  const key = keyAt(changed, runtime.clock.now());
  return { data: { key: keyDocument(key) }, text: keyTable([key]) };
}

function shownOnce({ runtime }: Installation, { key: made, secret }: KeyWithSecret): Outcome {
  const key = keyAt(made, runtime.clock.now());
  return {
    data: { key: keyDocument(key), secret },
    text: `${keyTable([key])}\n\nThe secret, which is kept nowhere and cannot be shown again:\n${secret}`,
  };
}
