import { ConfigError, parseConfig } from '../infra/config/config.ts';
import { createLogger } from '../infra/telemetry/log.ts';
import { firstCall } from './wiring/firstRun.ts';
import { startService } from './wiring/service.ts';

/** `npm start`: the service until SIGTERM or SIGINT. Exit codes: 0 stopped in good order, 1 failed, 2 bad configuration. */
try {
  const config = parseConfig(process.env);
  const log = createLogger(config.LOG_LEVEL);
  const service = await startService(config, log, process.env);
  process.stdout.write(`\nTallystick is at ${service.baseUrl}. A first call:\n\n${firstCall(service.firstRun)}\n\n`);

  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    // Whoever asks twice does not want to wait; what is durable stays so.
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, 'stopping');
    service.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}
