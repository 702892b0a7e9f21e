import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeWith } from '../support/engines.ts';
import { FakeKurrent } from '../support/kurrentdb/server.ts';

const MAIN = fileURLToPath(new URL('../../services/demo/main.ts', import.meta.url));

/** The demonstration in a process of its own, which is told of these engines. */
function demo(engines: Readonly<Record<string, string>>): Promise<{ code: number | null; out: string; error: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], ...engines };
    const child = execFile(process.execPath, [MAIN], { env }, (_failure, out, error) => {
      resolve({ code: child.exitCode, out, error });
    });
  });
}

function expectTold({ code, out, error }: Awaited<ReturnType<typeof demo>>): void {
  expect({ code, error }).toEqual({ code: 0, error: '' });
  expect(out).toMatch(/audit +INTACT: \d+ events in \d+ chains/);
  expect(out.match(/EQUAL: TEST-\d{4}-00000\d made again from events alone/g)).toHaveLength(2);
}

const topic = () => ({ KAFKA_TOPIC: `demo-${randomBytes(4).toString('hex')}`, KAFKA_PARTITIONS: '3' });

describeWith('kafka', 'the demonstration, its read models fed by Kafka', (brokers) => {
  it('passes as it does on one engine', async () => {
    expectTold(await demo({ KAFKA_BROKERS: brokers, ...topic() }));
  });

  describeWith('redis', 'and limits and jobs on Redis', (redis) => {
    it('passes too', async () => {
      expectTold(await demo({ KAFKA_BROKERS: brokers, ...topic(), REDIS_URL: redis }));
    });

    it('passes with its record in a KurrentDB, so that every engine is another one', async () => {
      const kurrent = await FakeKurrent.start();
      try {
        expectTold(await demo({ KURRENTDB_URL: kurrent.url, KAFKA_BROKERS: brokers, ...topic(), REDIS_URL: redis }));
        expect(kurrent.log.events.filter(({ type }) => type === 'InvoiceFinalized')).toHaveLength(2);
      } finally {
        kurrent.kill();
      }
    });
  });
});
