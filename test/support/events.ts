/** Plausible events of every type, to which a test sets the fields that it is about. */
export * from './events/calls.ts';
export * from './events/identity.ts';
export * from './events/invoices.ts';
export * from './events/placing.ts';
export {
  exampleHash,
  KEY,
  LIVE_ACCOUNT,
  MODEL,
  NOW,
  PERIOD,
  PRICE_VERSION,
  requestIdOf,
  TEST_ACCOUNT,
  USER,
} from './events/shared.ts';
