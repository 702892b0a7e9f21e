import type { Call } from '../../http/route.ts';
import type { Asker } from '../guardedAccounts.ts';

/** Who makes a call, as the bounds on guessing know them. */
export const askerOf = (call: Call): Asker => ({ address: call.remoteAddress, requestId: call.requestId });
