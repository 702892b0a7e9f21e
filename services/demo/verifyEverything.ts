import { verifyInvoice } from '../billing/verification/verifyInvoice.ts';
import type { Billed } from './closeBooks.ts';
import { Unmet } from './expectation.ts';
import type { World } from './world.ts';

/** Recomputes the hash chains and the invoices from the stored events. Returns how many events were hashed. */
export async function verifyEverything(
  world: World,
  invoices: readonly Billed[],
): Promise<{ readonly events: number }> {
  const { print } = world;
  await world.caughtUp();
  const audit = await world.verifyAudit();
  if (!audit.ok) throw new Unmet('the hash chains', 'intact', audit.firstDifference?.what ?? 'different');
  print(
    `   audit    INTACT: ${String(audit.events)} events in ${String(audit.accounts)} chains hash as when they were recorded`,
  );
  for (const { invoiceId, number } of invoices) {
    const verification = await verifyInvoice(world.store, invoiceId);
    if (!verification.equal) {
      const [first] = verification.differences;
      throw new Unmet(`${number}: ${first?.where ?? ''}`, first?.expected ?? '', first?.found ?? '');
    }
    const basis = `${String(verification.lines)} lines from ${String(verification.facts)} usage facts`;
    print(`   invoice  EQUAL: ${number} made again from events alone is the same in every field (${basis})`);
  }
  return { events: audit.events };
}
