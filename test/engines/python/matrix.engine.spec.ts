import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provesCell } from '../../e2e/matrix/cells.ts';
import { FEATURES } from '../../e2e/matrix/features.ts';
import { Matrix } from '../../e2e/matrix/table.ts';
import { MODEL_VENDORS, startWorld, type World } from '../../e2e/matrix/world.ts';
import { describeWith } from '../../support/engines.ts';
import { DIALECTS, PROGRAMS, pythonClient, type Sdk } from './matrixClients.ts';
import { PythonLines } from './pythonLines.ts';

const LEGEND = 'pass: all that the cell promises, by fixtures of the vendor’s documented form; pass+: by aimock too';

describeWith('python', 'the official Python clients, with every kind of upstream,', (python) => {
  const matrix = new Matrix();
  let world: World;
  let programs: Readonly<Record<Sdk, PythonLines>>;

  beforeAll(async () => {
    world = await startWorld();
    const { baseUrl, key } = world.target;
    const environment = {
      OPENAI_BASE_URL: `${baseUrl}/v1`,
      OPENAI_API_KEY: key,
      ANTHROPIC_BASE_URL: baseUrl,
      ANTHROPIC_API_KEY: key,
    };
    const started = (sdk: Sdk) => new PythonLines(python, PROGRAMS[sdk], environment);
    programs = { openai: started('openai'), anthropic: started('anthropic') };
  });
  afterAll(async () => {
    process.stdout.write(`${matrix.toString()}\n${LEGEND}\n`);
    await Promise.all(Object.values(programs).map((program) => program.close()));
    await world.close();
  });

  for (const dialect of DIALECTS) {
    // Each cell has an order of its own, so cells cannot see each other.
    describe.concurrent(`${dialect.like.name},`, () => {
      for (const vendor of MODEL_VENDORS) {
        const { protocol } = vendor;
        const client = pythonClient(dialect, vendor, (sdk) => programs[sdk]);
        matrix.plan(client.name, protocol);
        for (const feature of FEATURES) {
          it(`has “${feature}” from ${protocol}`, async () => {
            matrix.record(client.name, protocol, feature, await provesCell(world, client, vendor, feature));
          });
        }
      }
    });
  }

  describe('after the whole matrix', () => {
    it('every call was settled exactly once, and nothing is held', async () => {
      const calls = await world.hosted.books.eachSettledOnce();
      expect(calls.size).toBeGreaterThan(DIALECTS.length * MODEL_VENDORS.length * FEATURES.length);
      await world.hosted.books.nothingHeld(5_000);
    });

    it('no cell is empty', () => {
      expect(matrix.empty()).toEqual([]);
    });
  });
});
