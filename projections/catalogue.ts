import { auditProjection } from './audit/audit.projection.ts';
import { invoicesProjection } from './invoices/invoices.projection.ts';
import { keysProjection } from './keys/keys.projection.ts';
import { ledgerProjection } from './ledger/ledger.projection.ts';
import type { Projection } from './projection.ts';
import { quotaProjection } from './quota/quota.projection.ts';
import { requestsProjection } from './requests/requests.projection.ts';
import { usageProjection } from './usage/usage.projection.ts';

/** Every projection of the product. */
export const PROJECTIONS: readonly Projection[] = [
  keysProjection,
  quotaProjection,
  usageProjection,
  requestsProjection,
  ledgerProjection,
  auditProjection,
  invoicesProjection,
];
