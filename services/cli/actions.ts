import type { Command } from 'commander';
import type { z } from 'zod';
import { inputOf } from './input.ts';
import type { Outcome } from './outcome.ts';
import type { CliPorts, Installation } from './ports.ts';

type Action = (...parameters: unknown[]) => Promise<void>;

/** Turns what a command does into what commander calls: input checked, the installation opened and closed, the outcome handed on. */
export class Actions {
  readonly ports: CliPorts;
  readonly #deliver: (outcome: Outcome) => void;

  constructor(ports: CliPorts, deliver: (outcome: Outcome) => void) {
    this.ports = ports;
    this.#deliver = deliver;
  }

  /** A command that opens nothing. */
  aside<S extends z.ZodType>(schema: S, work: (input: z.output<S>) => Outcome | Promise<Outcome>): Action {
    return async (...parameters) => {
      this.#deliver(await work(inputOf(schema, commandIn(parameters))));
    };
  }

  /** A command on an opened installation, which is closed again before the outcome is told. */
  opened<S extends z.ZodType>(
    schema: S,
    work: (installation: Installation, input: z.output<S>) => Promise<Outcome>,
  ): Action {
    return async (...parameters) => {
      const input = inputOf(schema, commandIn(parameters));
      const installation = await this.ports.open();
      let outcome: Outcome;
      try {
        outcome = await work(installation, input);
      } finally {
        await installation.close();
      }
      this.#deliver(outcome);
    };
  }
}

/** Commander hands over the arguments, the options and, last, the command. */
function commandIn(parameters: readonly unknown[]): Command {
  return parameters.at(-1) as Command;
}
