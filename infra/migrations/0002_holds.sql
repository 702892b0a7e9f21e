-- Holds: quota reserved before an upstream is called, with the concurrency slots and idempotency claims decided together.
--
-- One lock order for everybody. A transaction that takes or settles holds first locks the `hold_scopes` rows of all its
-- keys and accounts, in ascending order and in ONE call; what belongs to a scope (totals, slots, claims) is only written
-- under that lock. So two relays and the settling projection may wait for each other, but never in a circle. All of it
-- relies on READ COMMITTED, where each statement after the lock sees what the previous lock holder committed.

-- The rows that are locked, one per key or account that ever held something.
CREATE TABLE hold_scopes (
  scope_id text COLLATE "C" PRIMARY KEY
) WITH (fillfactor = 50);

CREATE TABLE holds (
  request_id uuid PRIMARY KEY,
  key_id text COLLATE "C" NOT NULL,
  account_id text COLLATE "C" NOT NULL,
  period text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  tokens bigint NOT NULL CHECK (tokens >= 0),
  picos numeric(38, 0) NOT NULL CHECK (picos >= 0),
  deadline timestamptz NOT NULL,
  owner uuid NOT NULL,
  -- The encoded RequestAccepted, for a reaper that finds the call without any event.
  accepted_event_id uuid NOT NULL,
  accepted_version smallint NOT NULL,
  accepted text NOT NULL,
  taken_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Σ of the open holds per scope, UTC month and meter ('tokens' or a currency code).
CREATE TABLE hold_totals (
  scope_id text COLLATE "C" NOT NULL,
  period text COLLATE "C" NOT NULL,
  meter text COLLATE "C" NOT NULL,
  held numeric(38, 0) NOT NULL CHECK (held >= 0),
  PRIMARY KEY (scope_id, period, meter)
) WITH (fillfactor = 50);

-- Who holds, and since when it was last heard of. `session` changes with each connection of an owner, so that a
-- statement of a lost connection, which the server may still be running, either ends before the next session begins or
-- is refused.
CREATE TABLE relay_owners (
  owner uuid PRIMARY KEY,
  session uuid NOT NULL,
  seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Calls in flight of a key, as counted by each owner. The owner states its counts anew when a session begins; when it is
-- lost, its rows go.
CREATE TABLE hold_slots (
  key_id text COLLATE "C" NOT NULL,
  owner uuid NOT NULL,
  calls integer NOT NULL CHECK (calls >= 0),
  PRIMARY KEY (key_id, owner)
) WITH (fillfactor = 50);

-- An Idempotency-Key of a caller, by hash, and the call that has it. Kept for 24 h.
CREATE TABLE idempotency_claims (
  key_id text COLLATE "C" NOT NULL,
  key_hash text COLLATE "C" NOT NULL,
  body_hash text COLLATE "C" NOT NULL,
  request_id uuid NOT NULL,
  claimed_at timestamptz NOT NULL,
  PRIMARY KEY (key_id, key_hash)
);
CREATE INDEX idempotency_claims_request ON idempotency_claims (request_id);
CREATE INDEX idempotency_claims_claimed ON idempotency_claims (claimed_at);

-- Locks scopes in ascending order until the end of the transaction. New ones are inserted in that order too: for
-- whoever wants the same row, an uncommitted insert is a lock.
CREATE FUNCTION lock_hold_scopes(wanted text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT count(*) FROM public.hold_scopes s WHERE s.scope_id = ANY (wanted)) < cardinality(wanted) THEN
    INSERT INTO public.hold_scopes (scope_id) SELECT w.scope_id FROM unnest(wanted) AS w (scope_id)
    ORDER BY w.scope_id COLLATE "C"
    ON CONFLICT DO NOTHING;
  END IF;
  PERFORM FROM public.hold_scopes s WHERE s.scope_id = ANY (wanted) ORDER BY s.scope_id FOR NO KEY UPDATE;
END $$;

-- Forgets holds whose usage is about to be counted, or that nobody will use. Ids without a hold are ignored, so that
-- calling again is harmless. Call it at most once per transaction, with all ids. Returns how many holds there were.
--
-- Plans are kept for the life of a connection and must not depend on how full the tables were when it began: hence, here
-- and below, generic plans and no sequential scans. (The connection that takes holds sets this for itself.)
CREATE FUNCTION settle_holds(ids uuid[]) RETURNS bigint LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
  scopes text[];
  settled bigint;
BEGIN
  -- Key and account of a hold never change, so they may be read before the lock.
  scopes := ARRAY (
    SELECT DISTINCT s.scope_id
    FROM public.holds h CROSS JOIN LATERAL (VALUES (h.key_id), (h.account_id)) AS s (scope_id)
    WHERE h.request_id = ANY (ids)
  );
  IF cardinality(scopes) = 0 THEN
    RETURN 0;
  END IF;
  PERFORM public.lock_hold_scopes(scopes);

  -- What somebody else settled meanwhile is not returned by the DELETE, so it is not subtracted twice.
  WITH gone AS (
    DELETE FROM public.holds h WHERE h.request_id = ANY (ids) AND h.key_id = ANY (scopes) AND h.account_id = ANY (scopes)
    RETURNING h.key_id, h.account_id, h.period, h.currency, h.tokens, h.picos
  ), sums AS (
    SELECT key_id, account_id, period, currency, sum(tokens) AS tokens, sum(picos) AS picos, count(*) AS calls
    FROM gone GROUP BY key_id, account_id, period, currency
  ), lowered AS (
    UPDATE public.hold_totals t SET held = t.held - l.amount
    FROM (
      SELECT m.scope_id, sums.period, m.meter, sum(m.amount) AS amount
      FROM sums CROSS JOIN LATERAL (VALUES
        (key_id, 'tokens', tokens), (key_id, currency, picos),
        (account_id, 'tokens', tokens), (account_id, currency, picos)
      ) AS m (scope_id, meter, amount)
      GROUP BY m.scope_id, sums.period, m.meter
    ) AS l
    WHERE t.scope_id = l.scope_id AND t.period = l.period AND t.meter = l.meter
  )
  SELECT coalesce(sum(calls), 0) INTO settled FROM sums;
  RETURN settled;
END $$;

-- Begins a session of an owner. Waits for a statement that an earlier session may still be running (it has the owner's
-- row locked) and bars that session from then on. Then undoes `unanswered`, the takes of that statement, whose callers
-- were told that they have no hold, and states the owner's calls in flight.
CREATE FUNCTION begin_hold_session(
  this_owner uuid, this_session uuid, unanswered uuid[], busy_keys text[], busy_calls integer[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.relay_owners AS o (owner, session, seen_at) VALUES (this_owner, this_session, clock_timestamp())
  ON CONFLICT (owner) DO UPDATE SET session = excluded.session, seen_at = excluded.seen_at;
  PERFORM public.lock_hold_scopes(ARRAY (
    SELECT h.key_id FROM public.holds h WHERE h.request_id = ANY (unanswered)
    UNION SELECT h.account_id FROM public.holds h WHERE h.request_id = ANY (unanswered)
    UNION SELECT s.key_id FROM public.hold_slots s WHERE s.owner = this_owner
    UNION SELECT unnest(busy_keys)
  ));
  PERFORM public.settle_holds(unanswered);
  DELETE FROM public.idempotency_claims c WHERE c.request_id = ANY (unanswered);
  DELETE FROM public.hold_slots s WHERE s.owner = this_owner;
  INSERT INTO public.hold_slots (key_id, owner, calls)
  SELECT b.key_id, this_owner, b.calls FROM unnest(busy_keys, busy_calls) AS b (key_id, calls);
END $$;

-- Forgets owners that were not heard of for this long, and their slots; their holds are orphans from then on. One that
-- comes back is refused (TLY01) and must begin a new session. Returns them.
CREATE FUNCTION forget_lost_owners(lease interval) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE
  lost uuid[];
BEGIN
  -- The owner's row first, as everybody does. SKIP LOCKED: an owner that is busy is not lost.
  lost := ARRAY (
    SELECT o.owner FROM public.relay_owners o WHERE o.seen_at < clock_timestamp() - lease FOR UPDATE SKIP LOCKED
  );
  PERFORM public.lock_hold_scopes(ARRAY (SELECT DISTINCT s.key_id FROM public.hold_slots s WHERE s.owner = ANY (lost)));
  DELETE FROM public.hold_slots s WHERE s.owner = ANY (lost);
  DELETE FROM public.relay_owners o WHERE o.owner = ANY (lost);
  RETURN QUERY SELECT unnest(lost);
END $$;

-- One hold that is asked for; `n` is its place in the batch, '-' as `key_hash` stands for no idempotency key.
CREATE TYPE hold_request AS (
  n integer, request_id uuid, key_id text COLLATE "C", account_id text COLLATE "C", period text COLLATE "C",
  currency text COLLATE "C", tokens bigint, picos numeric, deadline timestamptz,
  accepted_event_id uuid, accepted_version smallint, accepted text,
  key_hash text COLLATE "C", body_hash text COLLATE "C"
);

-- What several holds ask of one scope together. `account_id` is the key's account, or the account itself.
CREATE TYPE hold_sum AS (
  scope_id text COLLATE "C", kind text, account_id text COLLATE "C", period text COLLATE "C", meter text COLLATE "C",
  amount numeric, calls integer
);

CREATE FUNCTION hold_sums(wanted hold_request[]) RETURNS hold_sum[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY (
    SELECT ROW(m.scope_id, m.kind, g.account_id, g.period, m.meter, sum(m.amount), sum(g.calls))::public.hold_sum
    FROM (
        SELECT w.key_id, w.account_id, w.period, w.currency, sum(w.tokens) AS tokens, sum(w.picos) AS picos,
          count(*) AS calls
        FROM unnest(wanted) AS w GROUP BY w.key_id, w.account_id, w.period, w.currency
      ) AS g
      CROSS JOIN LATERAL (VALUES
        (g.key_id, 'key', 'tokens', g.tokens), (g.key_id, 'key', g.currency, g.picos),
        (g.account_id, 'account', 'tokens', g.tokens), (g.account_id, 'account', g.currency, g.picos)
      ) AS m (scope_id, kind, meter, amount)
    GROUP BY m.scope_id, m.kind, g.account_id, g.period, m.meter
  );
END $$;

CREATE FUNCTION hold_limit(meter text, tokens_max numeric, spend_max jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN meter = 'tokens' THEN tokens_max ELSE (spend_max ->> meter)::numeric END $$;

-- Scopes that are unknown, or whose limits or slots do not cover these sums. They must be locked.
CREATE FUNCTION tight_hold_scopes(sums hold_sum[]) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY (
    SELECT a.scope_id
    FROM unnest(sums) AS a
      LEFT JOIN quota.scopes q ON q.scope_id = a.scope_id AND q.kind = a.kind
      LEFT JOIN quota.used u ON u.scope_id = a.scope_id AND u.period = a.period AND u.meter = a.meter
      LEFT JOIN public.hold_totals t ON t.scope_id = a.scope_id AND t.period = a.period AND t.meter = a.meter
    WHERE q.scope_id IS NULL
      OR coalesce(u.used, 0) + coalesce(t.held, 0) + a.amount > public.hold_limit(a.meter, q.tokens_max, q.spend_max)
    UNION
    SELECT a.scope_id
    FROM unnest(sums) AS a
      LEFT JOIN quota.scopes k ON k.scope_id = a.scope_id
      LEFT JOIN quota.scopes q ON q.scope_id = a.account_id
      LEFT JOIN LATERAL (SELECT sum(s.calls) AS calls FROM public.hold_slots s WHERE s.key_id = a.scope_id) AS o ON true
    WHERE a.kind = 'key' AND a.meter = 'tokens'
      AND (k.account_id <> a.account_id OR coalesce(o.calls, 0) + a.calls > least(k.concurrency, q.concurrency))
  );
END $$;

-- The holds of a batch that must be decided one by one, in arrival order: those of tight scopes, and those whose
-- idempotency key is claimed already or twice in the batch.
CREATE FUNCTION contested_holds(wanted hold_request[], tight text[]) RETURNS hold_request[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY (
    SELECT w.hold
    FROM (
      SELECT r AS hold, r.n, r.key_id, r.account_id, r.key_hash,
        count(*) OVER (PARTITION BY r.key_id, r.key_hash) AS alike
      FROM unnest(wanted) AS r
    ) AS w
    WHERE w.key_id = ANY (tight) OR w.account_id = ANY (tight) OR (w.key_hash <> '-' AND (w.alike > 1 OR coalesce((
      SELECT true FROM public.idempotency_claims c WHERE c.key_id = w.key_id AND c.key_hash = w.key_hash
    ), false)))
    ORDER BY w.n
  );
END $$;

-- Why a hold cannot be taken now, or null. Its scopes must be locked.
CREATE FUNCTION hold_refusal(wanted hold_request) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  claim record;
  slots record;
  exceeded record;
BEGIN
  IF wanted.key_hash <> '-' THEN
    SELECT c.request_id, c.body_hash INTO claim FROM public.idempotency_claims c
    WHERE c.key_id = wanted.key_id AND c.key_hash = wanted.key_hash;
    IF FOUND THEN
      RETURN jsonb_build_object('n', wanted.n, 'reason', 'idempotency', 'requestId', claim.request_id,
        'sameBody', claim.body_hash = wanted.body_hash);
    END IF;
  END IF;

  SELECT least(k.concurrency, a.concurrency) AS cap,
    (SELECT coalesce(sum(s.calls), 0) FROM public.hold_slots s WHERE s.key_id = wanted.key_id) AS calls INTO slots
  FROM quota.scopes k, quota.scopes a
  WHERE k.scope_id = wanted.key_id AND k.kind = 'key' AND k.account_id = wanted.account_id
    AND a.scope_id = wanted.account_id AND a.kind = 'account';
  IF NOT FOUND THEN
    RETURN jsonb_build_object('n', wanted.n, 'reason', 'unknown_scope');
  END IF;
  IF slots.calls >= slots.cap THEN
    RETURN jsonb_build_object('n', wanted.n, 'reason', 'concurrency', 'limit', slots.cap);
  END IF;

  SELECT m.scope, m.meter, b.most, b.used, b.held INTO exceeded
  FROM (VALUES
      (1, 'key', wanted.key_id, 'tokens', wanted.tokens), (2, 'key', wanted.key_id, wanted.currency, wanted.picos),
      (3, 'account', wanted.account_id, 'tokens', wanted.tokens),
      (4, 'account', wanted.account_id, wanted.currency, wanted.picos)
    ) AS m (place, scope, scope_id, meter, amount)
    CROSS JOIN LATERAL (
      SELECT public.hold_limit(m.meter, q.tokens_max, q.spend_max) AS most,
        coalesce(u.used, 0) AS used, coalesce(t.held, 0) AS held
      FROM quota.scopes q
        LEFT JOIN quota.used u ON u.scope_id = q.scope_id AND u.period = wanted.period AND u.meter = m.meter
        LEFT JOIN public.hold_totals t ON t.scope_id = q.scope_id AND t.period = wanted.period AND t.meter = m.meter
      WHERE q.scope_id = m.scope_id
    ) AS b
  WHERE b.used + b.held + m.amount > b.most
  ORDER BY m.place LIMIT 1;
  IF FOUND THEN
    RETURN jsonb_build_object('n', wanted.n, 'reason', 'quota', 'scope', exceeded.scope, 'meter', exceeded.meter,
      'limit', exceeded.most::numeric(38, 0)::text, 'used', exceeded.used::text, 'held', exceeded.held::text);
  END IF;
  RETURN NULL;
END $$;

-- Takes holds that may be taken, `sums` of them all; returns how many. Their scopes must be locked.
CREATE FUNCTION insert_holds(this_owner uuid, taken hold_request[], sums hold_sum[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  inserted bigint;
BEGIN
  INSERT INTO public.holds (
    request_id, key_id, account_id, period, currency, tokens, picos, deadline, owner,
    accepted_event_id, accepted_version, accepted, taken_at
  )
  SELECT t.request_id, t.key_id, t.account_id, t.period, t.currency, t.tokens, t.picos, t.deadline, this_owner,
    t.accepted_event_id, t.accepted_version, t.accepted, now()
  FROM unnest(taken) AS t;
  GET DIAGNOSTICS inserted = ROW_COUNT;

  WITH slots AS (
    INSERT INTO public.hold_slots AS s (key_id, owner, calls)
    SELECT a.scope_id, this_owner, sum(a.calls) FROM unnest(sums) AS a
    WHERE a.kind = 'key' AND a.meter = 'tokens' GROUP BY a.scope_id
    ON CONFLICT (key_id, owner) DO UPDATE SET calls = s.calls + excluded.calls
  )
  INSERT INTO public.hold_totals AS t (scope_id, period, meter, held)
  SELECT a.scope_id, a.period, a.meter, sum(a.amount) FROM unnest(sums) AS a GROUP BY a.scope_id, a.period, a.meter
  ON CONFLICT (scope_id, period, meter) DO UPDATE SET held = t.held + excluded.held;
  RETURN inserted;
END $$;

CREATE FUNCTION insert_claims(taken hold_request[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.idempotency_claims (key_id, key_hash, body_hash, request_id, claimed_at)
  SELECT t.key_id, t.key_hash, t.body_hash, t.request_id, now() FROM unnest(taken) AS t WHERE t.key_hash <> '-';
END $$;

-- Decides and takes a batch of holds. Every column comes as one text, its values joined by U+001F, in arrival order.
-- First frees the slots of this owner's ended calls (`freed_calls` of each of `freed_keys`) and forgets the idempotency
-- claims of calls that charged nothing (`forgotten`). Renews the owner's lease, so that no hold is born with a stale one.
--
-- A hold is granted when both its scopes are known, its key has a slot and used + held + new ≤ limit for tokens and
-- money of key and account. `refusals` is a JSON array, one element per refused hold with its place `n` (from 1), or
-- null; all others, `granted` of them, are taken.
--
-- Holds that fit even if the whole batch were granted are taken by set; only the others are decided one by one, in
-- arrival order, so that a refused one does not count against those after it.
--
-- SQLSTATE TLY01: the session is not the owner's latest one. TLY02: the columns have different lengths.
CREATE FUNCTION take_holds(
  this_owner uuid, this_session uuid, freed_keys text[], freed_calls integer[], forgotten uuid[],
  request_ids text, key_ids text, account_ids text, periods text, currencies text, tokens text, picos text,
  deadlines_ms text, accepted_event_ids text, accepted_versions text, accepted text, key_hashes text, body_hashes text,
  OUT granted bigint, OUT refusals jsonb
) LANGUAGE plpgsql AS $$
DECLARE
  us CONSTANT text := E'\x1f';
  wanted public.hold_request[];
  contested public.hold_request[] := '{}';
  tight text[];
  sums public.hold_sum[];
  with_idempotency boolean;
  aligned boolean;
  one public.hold_request;
  refusal jsonb;
  last_seen timestamptz;
BEGIN
  SELECT o.seen_at INTO last_seen FROM public.relay_owners o
  WHERE o.owner = this_owner AND o.session = this_session FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'this session of the relay has ended' USING ERRCODE = 'TLY01';
  END IF;
  IF last_seen < clock_timestamp() - interval '1 second' THEN
    UPDATE public.relay_owners o SET seen_at = clock_timestamp() WHERE o.owner = this_owner;
  END IF;

  SELECT array_agg(ROW(w.n, w.request_id, w.key_id, w.account_id, w.period, w.currency, w.tokens, w.picos,
      to_timestamp(w.deadline_ms / 1000.0), w.accepted_event_id, w.accepted_version, w.accepted, w.key_hash, w.body_hash
    )::public.hold_request),
    bool_or(w.key_hash <> '-'), bool_and(w IS NOT NULL)
  INTO wanted, with_idempotency, aligned
  FROM unnest(
    string_to_array(request_ids, us)::uuid[], string_to_array(key_ids, us), string_to_array(account_ids, us),
    string_to_array(periods, us), string_to_array(currencies, us), string_to_array(tokens, us)::bigint[],
    string_to_array(picos, us)::numeric[], string_to_array(deadlines_ms, us)::bigint[],
    string_to_array(accepted_event_ids, us)::uuid[], string_to_array(accepted_versions, us)::smallint[],
    string_to_array(accepted, us), string_to_array(key_hashes, us), string_to_array(body_hashes, us)
  ) WITH ORDINALITY AS w (request_id, key_id, account_id, period, currency, tokens, picos, deadline_ms,
    accepted_event_id, accepted_version, accepted, key_hash, body_hash, n);
  IF NOT aligned THEN
    RAISE EXCEPTION 'the columns of a batch of holds have different lengths' USING ERRCODE = 'TLY02';
  END IF;
  sums := public.hold_sums(wanted);

  PERFORM public.lock_hold_scopes(ARRAY (
    SELECT a.scope_id FROM unnest(sums) AS a UNION SELECT unnest(freed_keys)
  ));
  IF cardinality(freed_keys) > 0 THEN
    UPDATE public.hold_slots s SET calls = s.calls - f.calls
    FROM unnest(freed_keys, freed_calls) AS f (key_id, calls)
    WHERE s.key_id = f.key_id AND s.owner = this_owner;
  END IF;
  IF cardinality(forgotten) > 0 THEN
    DELETE FROM public.idempotency_claims c WHERE c.request_id = ANY (forgotten);
  END IF;
  IF wanted IS NULL THEN
    granted := 0;
    RETURN;
  END IF;

  tight := public.tight_hold_scopes(sums);
  IF with_idempotency OR cardinality(tight) > 0 THEN
    contested := public.contested_holds(wanted, tight);
  END IF;
  IF cardinality(contested) > 0 THEN
    wanted := ARRAY (SELECT w FROM unnest(wanted) AS w WHERE w.n NOT IN (SELECT c.n FROM unnest(contested) AS c));
    sums := public.hold_sums(wanted);
  END IF;
  granted := public.insert_holds(this_owner, wanted, sums);
  IF with_idempotency THEN
    PERFORM public.insert_claims(wanted);
  END IF;
  FOREACH one IN ARRAY contested LOOP
    refusal := public.hold_refusal(one);
    IF refusal IS NULL THEN
      granted := granted + public.insert_holds(this_owner, ARRAY[one], public.hold_sums(ARRAY[one]));
      PERFORM public.insert_claims(ARRAY[one]);
    ELSE
      refusals := coalesce(refusals, '[]') || refusal;
    END IF;
  END LOOP;
END $$;
