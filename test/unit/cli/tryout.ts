import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { Probes } from '../../../services/cli/doctor/probes.ts';
import type { CliPorts, Installation } from '../../../services/cli/ports.ts';
import { run } from '../../../services/cli/program.ts';
import { silentLog } from '../../support/log.ts';

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs one command in this process. A part of the world that a test did not give throws when it is used. */
export async function tryOut(argv: readonly string[], given: Given = {}): Promise<Ended> {
  let out = '';
  let error = '';
  const code = await run(
    argv,
    portsOf(given),
    {
      out: (text) => (out += text),
      error: (text) => (error += text),
    },
    '1.2.3',
  );
  return { code, out, error };
}

export interface Given extends Partial<Omit<CliPorts, 'open' | 'probes'>> {
  readonly installation?: Partial<Installation>;
  readonly probes?: Partial<Probes>;
  /** Instead of opening. */
  readonly openFails?: Error;
}

function portsOf({ installation = {}, probes = {}, openFails, ...ports }: Given): CliPorts {
  const opened: Partial<Installation> = {
    store: new MemoryEventStore(),
    runtime: systemRuntime(silentLog),
    firstRunEmail: null,
    caughtUp: () => Promise.resolve(),
    close: () => Promise.resolve(),
    ...installation,
  };
  return strict<CliPorts>('ports', {
    projections: ['keys', 'quota'],
    ...ports,
    probes: strict('probes', probes),
    open: () => (openFails ? Promise.reject(openFails) : Promise.resolve(strict('installation', opened))),
  });
}

function strict<T extends object>(what: string, given: Partial<T>): T {
  return new Proxy(given, {
    get(target, name) {
      if (name in target || typeof name === 'symbol') return target[name as keyof T];
      // An awaited value is asked whether it is a promise.
      if (name === 'then') return undefined;
      throw new Error(`the test gave no ${what}.${name}`);
    },
  }) as T;
}
