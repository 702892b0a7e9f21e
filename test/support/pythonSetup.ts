import { mayInstall } from '../../infra/engines/programs.ts';
import { preparedPython, PythonMissing } from './python.ts';

/**
 * A Python with the official SDKs for all suites that need one, at TEST_PYTHON; one that is set already is used. In CI a
 * missing one fails the run. Elsewhere it is announced, and its suites say that they are left out.
 */
export default async function setup(): Promise<void> {
  if (process.env['TEST_PYTHON']) return;
  const since = performance.now();
  try {
    const { program, version } = await preparedPython(mayInstall());
    process.env['TEST_PYTHON'] = program;
    process.stdout.write(`python ${version} at ${program}, ${String(Math.round(performance.now() - since))} ms\n`);
  } catch (error) {
    if (process.env['CI'] === 'true' || !(error instanceof PythonMissing)) throw error;
    process.stderr.write(`${error.message}; its suites are left out\n`);
  }
}
