import { JournaledSettlements } from '../../../infra/journal/journaledSettlements.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { silentLog } from '../../support/log.ts';
import { exampleCall } from '../../unit/settlement/calls.ts';

/** Writes calls to a journal for ever, while its store is down, and prints the name of each that is acknowledged. */
const [directory = '', prefix = ''] = process.argv.slice(2);
const store = new MemoryEventStore();
store.reachable = false;
const journal = await JournaledSettlements.open({
  directory,
  store,
  runtime: systemRuntime(silentLog),
  segmentBytes: 20_000,
});
await Promise.all(
  Array.from({ length: 16 }, async (_, writer) => {
    for (let i = 0; ; i += 1) {
      const name = `${prefix} ${String(writer)} ${String(i)}`;
      const call = exampleCall(name);
      await journal.append(call.acceptance);
      await journal.append(call.settlement);
      process.stdout.write(`${name}\n`);
    }
  }),
);
