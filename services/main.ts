import { ConfigError, parseConfig, ROLES, type Role } from '../infra/config/config.ts';
import { createLogger } from '../infra/telemetry/log.ts';
import { firstCall } from './wiring/firstRun.ts';
import { startRole, type RunningProcess } from './wiring/roles.ts';
import { startService } from './wiring/service.ts';

/** Of a Ctrl-C we hear twice under npm, from the terminal and from npm. */
const SAME_SIGNAL_MS = 1_000;

/**
 * `npm start`: everything in one process until SIGTERM or SIGINT; with the name of a role as argument, that part of an
 * installation. Exit codes: 0 stopped in good order, 1 failed, 2 bad configuration.
 */
try {
  const role = roleNamed(process.argv[2] ?? 'all');
  const config = parseConfig(process.env, role);
  const log = createLogger(config.LOG_LEVEL);
  const running = await start();

  let stoppingSince: number | null = null;
  const stop = (signal: NodeJS.Signals): void => {
    if (stoppingSince !== null) {
      // Whoever asks twice does not want to wait; what is durable stays so.
      if (performance.now() - stoppingSince > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    log.info({ signal }, 'stopping');
    running.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  async function start(): Promise<RunningProcess> {
    if (role !== 'all') {
      const part = await startRole(role, config, log, process.env);
      process.stdout.write(`\nTallystick's ${role} is at ${part.baseUrl}.\n`);
      return part;
    }
    const service = await startService(config, log, process.env);
    process.stdout.write(`\nTallystick is at ${service.baseUrl}. A first call:\n\n${firstCall(service.firstRun)}\n\n`);
    return service;
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}

function roleNamed(name: string): Role {
  const role = ROLES.find((known) => known === name);
  if (!role) throw new ConfigError([`${name} is no role; there are ${ROLES.join(', ')}`]);
  return role;
}
