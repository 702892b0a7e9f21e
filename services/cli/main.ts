#!/usr/bin/env node
import { createLogger, redact } from '../../infra/telemetry/log.ts';
import manifest from '../../package.json' with { type: 'json' };
import { cliPorts } from '../wiring/cli.ts';
import { run } from './program.ts';

/** `npx tallystick`: one command, its result on stdout, logs from `warn` on stderr, exit codes as in exits.ts. */
const ports = cliPorts(process.env, createLogger('warn', process.stderr));

for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  process.once(signal, () => {
    ports.close().then(
      () => process.exit(code),
      () => process.exit(code),
    );
  });
}

// Whoever reads the result may stop half-way, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await run(
  process.argv.slice(2),
  ports,
  {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(redact(text)),
  },
  manifest.version,
);
