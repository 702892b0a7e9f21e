-- Files of accounts: what is known of them. Their bytes lie in the object store, under `object_key`.
CREATE TABLE files (
  id text COLLATE "C" PRIMARY KEY,
  account_id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  bytes bigint NOT NULL CHECK (bytes >= 0),
  media_type text NOT NULL,
  purpose text NOT NULL,
  created_by text,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  object_key text NOT NULL,
  -- False while its bytes are on their way. A row comes before its bytes, so that none lie unrecorded.
  stored boolean NOT NULL DEFAULT false
);
CREATE INDEX files_of_account ON files (account_id, created_at, id);
CREATE INDEX files_by_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX files_reserved ON files (created_at) WHERE NOT stored;

-- Batches of calls, each with one hold and one settlement. What never changes of a batch lies in `taken_in` as JSON.
CREATE TABLE batches (
  id text COLLATE "C" PRIMARY KEY,
  request_id uuid NOT NULL UNIQUE,
  account_id text COLLATE "C" NOT NULL,
  taken_in jsonb NOT NULL,
  status text NOT NULL CHECK (status IN ('in_progress', 'cancelling', 'finalizing', 'completed', 'cancelled', 'expired')),
  created_at timestamptz NOT NULL,
  cancelling_at timestamptz,
  finalizing_at timestamptz,
  ended_at timestamptz,
  -- How it ends; decided when it is finalized.
  ending text,
  -- The events of its settlement as they were first made, so that a repetition is the same in every byte.
  settlement jsonb,
  usage jsonb,
  completed integer,
  failed integer,
  output_file_id text,
  error_file_id text
);
CREATE INDEX batches_of_account ON batches (account_id, created_at, id);
CREATE INDEX batches_unfinished ON batches (id) WHERE ended_at IS NULL;

-- Results of lines until their batch has ended.
CREATE TABLE batch_lines (
  batch_id text COLLATE "C" NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  line integer NOT NULL,
  succeeded boolean NOT NULL,
  result text NOT NULL,
  usage jsonb NOT NULL,
  source text NOT NULL,
  channel text,
  cost_picos numeric(38, 0),
  PRIMARY KEY (batch_id, line)
);
