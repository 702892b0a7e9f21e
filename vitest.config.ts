import { defineConfig } from 'vitest/config';

/** The suffix of a test file says what it needs: `unit` nothing, `int` a Postgres, `engine` Redis, Kafka or Python too, `e2e` the whole process. */
export default defineConfig({
  test: {
    // Two files at once keep two cores busy: most of the time a test waits for a database, a socket or a process.
    maxWorkers: 2,
    projects: [
      { test: { name: 'unit', include: ['test/**/*.unit.spec.ts'], testTimeout: 10_000 } },
      {
        test: {
          name: 'int',
          include: ['test/**/*.int.spec.ts'],
          globalSetup: 'test/support/globalSetup.ts',
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'engines',
          include: ['test/**/*.engine.spec.ts'],
          globalSetup: ['test/support/globalSetup.ts', 'test/support/engineSetup.ts', 'test/support/pythonSetup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.spec.ts'],
          globalSetup: 'test/support/globalSetup.ts',
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
