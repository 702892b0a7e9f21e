import { formatPicos } from '../../events/money.ts';
import { Caller } from './calls.ts';
import { closeBooks } from './closeBooks.ts';
import { Developer } from './developer.ts';
import { makeCalls } from './makeCalls.ts';
import { refuseCalls } from './refuseCalls.ts';
import { verifyEverything } from './verifyEverything.ts';
import type { World } from './world.ts';

/**
 * The whole life of a bill, told line by line: from signing up to an invoice that is recomputed from the record.
 * Throws Unmet as soon as something is not as it ought to be.
 */
export async function tellStory(world: World): Promise<void> {
  const { print } = world;
  print(`A relay of its own runs at ${world.baseUrl}, on a PostgreSQL of its own in ${world.dataDirectory}.`);

  print('\n1. A developer signs up and gets a test key, over HTTP');
  const developer = await Developer.signUp(world, 'ada@demo.example', 'correct-horse-battery-staple');
  const key = await developer.issueTestKey('Demo');
  print(`   user ${developer.userId}`);
  print(`   key  ${key.prefix}…${key.last4}   (the whole of it was shown to the developer once; we keep its hash)`);

  print('\n2. The official OpenAI package calls the relay. Test keys reach a built-in simulated provider,');
  print('   which does what the words in [[…]] say.');
  const calls = await makeCalls(world, new Caller(world, key.key), developer.testAccount);

  print('\n3. Calls that must not happen are refused before they cost anything');
  await refuseCalls(world, developer, key.key);

  print('\n4. The month is closed early: the queue is asked, its worker issues one invoice per currency');
  const invoices = await closeBooks(world, developer.testAccount, calls);

  print('\n5. Nothing of this has to be believed');
  const { events } = await verifyEverything(world, invoices);

  print('\nWhat you saw');
  const amounts = invoices.map(({ total, currency }) => `${total} ${currency}`).join(' and ');
  const exact = invoices.map(({ exactTotal, currency }) => `${formatPicos(exactTotal)} ${currency}`).join(' and ');
  print(`   4 calls were billed, 3 were refused; the invoices say ${amounts} (exactly ${exact}).`);
  print('   They are the sum of the log, and the log is what the client was told (who leaves is told nothing),');
  print(`   exact to 10⁻¹² of a unit. ${String(events)} events prove it, and nobody has to trust us for that.`);
  print('   Not shown here: a real provider, real money. The provider was simulated, the ledger a test ledger.');
  print('   Your own relay: npm start');
}
