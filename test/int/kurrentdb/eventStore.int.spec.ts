import { eventStoreContract } from '../../contract/eventStore.contract.ts';
import { onFakeKurrent, onRealKurrent } from '../../support/kurrentdb/storesUnderTest.ts';

const realServer = process.env['KURRENTDB_URL'];

if (realServer !== undefined) eventStoreContract('KurrentDB at KURRENTDB_URL', () => onRealKurrent(realServer));
else {
  eventStoreContract('KurrentDB', () => onFakeKurrent());
  eventStoreContract('KurrentDB that takes appends one by one', () => onFakeKurrent({ batchAppend: false }));
}
