-- Accounts that a projection cannot go on with: an event of theirs was malformed or broke a rule. Their later events are
-- passed over by that projection until it is rebuilt; other accounts go on.
CREATE TABLE parked_accounts (
  projection text COLLATE "C" NOT NULL,
  account_id text COLLATE "C" NOT NULL,
  -- The event that could not be applied.
  position bigint NOT NULL,
  error text NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (projection, account_id)
);
