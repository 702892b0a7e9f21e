-- Conversations that agent platforms keep: our id, whose it is, and the platform's id for it. None of it is a record of
-- anything; a lost row only makes its conversation begin anew.
CREATE TABLE agent_sessions (
  account_id text NOT NULL,
  session_id text NOT NULL,
  agent text NOT NULL,
  -- A hash; the client's name for its user is nowhere stored.
  user_hash text NOT NULL,
  -- A platform knows a conversation by one channel's account or bot only.
  channel text,
  platform_id text,
  touched_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, session_id)
);
CREATE INDEX agent_sessions_by_age ON agent_sessions (touched_at);

-- Responses that a client may go on with or ask for again, sealed; only where the operator lets content be stored.
CREATE TABLE stored_responses (
  account_id text NOT NULL,
  response_id text NOT NULL,
  sealed bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, response_id)
);
CREATE INDEX stored_responses_by_age ON stored_responses (created_at);
