/** Tables of the request log and of the facts that invoices are made of. */
export const ddl = `
-- One row per call. position is that of its acceptance and orders the log.
CREATE TABLE log (
  request_id uuid PRIMARY KEY,
  account_id text COLLATE "C" NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  mode text NOT NULL,
  model text NOT NULL,
  route text NOT NULL,
  streamed boolean NOT NULL,
  channel text,
  status text NOT NULL CHECK (status IN ('accepted', 'completed', 'failed', 'aborted')),
  source text,
  policy text,
  usage jsonb,
  tokens bigint NOT NULL,
  amount numeric(38, 0) NOT NULL,
  currency text NOT NULL,
  price_version text NOT NULL,
  -- Of a failure, its code from the catalogue; of an abortion, its reason.
  code text,
  http_status integer,
  finish_reason text,
  attempts jsonb,
  accepted_at timestamptz NOT NULL,
  ended_at timestamptz,
  -- A lost call is ended when it is found, which may be weeks later: more milliseconds than an integer holds.
  latency_ms bigint,
  first_byte_ms bigint,
  held_tokens bigint NOT NULL,
  held_amount numeric(38, 0) NOT NULL,
  position bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX log_of_account ON log (account_id, position);

-- Rated quantities, signed. A UsageRecorded is part 0; a UsageCorrected is two parts: 0 takes the previous figures back,
-- 1 states the corrected ones. Nothing is ever updated. A position is one event, so event and part are unique too; the key
-- begins with what grows with time, which keeps inserts at the right edge of the index, and is the order of invoicing.
CREATE TABLE facts (
  event_id uuid NOT NULL,
  part smallint NOT NULL,
  position bigint NOT NULL,
  request_id uuid NOT NULL,
  account_id text COLLATE "C" NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  model text NOT NULL,
  mode text NOT NULL,
  price_version text NOT NULL,
  currency text NOT NULL,
  usage jsonb NOT NULL,
  amount numeric(38, 0) NOT NULL,
  occurred_at timestamptz NOT NULL,
  PRIMARY KEY (account_id, request_id, position, part)
);
CREATE INDEX facts_by_service_time ON facts (account_id, occurred_at);
CREATE INDEX facts_by_position ON facts (account_id, position);
`;
