-- Holds: quota reserved before an upstream is called, decided together with concurrency slots and idempotency claims.
--
-- One lock order for everybody. A transaction that takes or settles holds first locks the `hold_scopes` rows of all its
-- keys and accounts, in ascending order and in ONE call; totals, slots and new claims of a scope are only written under
-- that lock. So two relays and the settling projection may wait for each other, but never in a circle. All of it relies
-- on READ COMMITTED, where each statement after the lock sees what the previous lock holder committed.

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
  -- The stored bytes of RequestAccepted, for a reaper that finds the call without any event.
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

-- Calls in flight of a key, as counted by each owner. The owner states its counts anew when a session begins; when it
-- is lost, its rows go.
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
-- Plans are kept for the life of a connection and must not depend on how full the tables were when it began: hence
-- generic plans that look rows up by their keys. The connection that takes holds sets this for itself.
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
    DELETE FROM public.holds h
    WHERE h.request_id = ANY (ids) AND h.key_id = ANY (scopes) AND h.account_id = ANY (scopes)
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

-- What holds of a batch ask of one scope together. `calls` is set once per key and month, with the tokens.
CREATE TYPE hold_sum AS (
  scope_id text COLLATE "C", kind text, account_id text COLLATE "C", period text COLLATE "C", meter text COLLATE "C",
  amount numeric, calls integer
);

-- Holds come as columns in arrival order; `groups` has each one's place (from 1) in the lists of what holds have in
-- common. `places` picks some of them, null all.
CREATE FUNCTION hold_sums(
  group_keys text[], group_accounts text[], group_periods text[], group_currencies text[],
  groups integer[], tokens bigint[], picos numeric[], places integer[]
) RETURNS hold_sum[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN ARRAY (
    SELECT ROW(m.scope_id, m.kind, m.account_id, m.period, m.meter, sum(m.amount), sum(m.calls))::public.hold_sum
    FROM (
        SELECT group_keys[h.g] AS key_id, group_accounts[h.g] AS account_id, group_periods[h.g] AS period,
          group_currencies[h.g] AS currency, sum(h.tokens) AS tokens, sum(h.picos) AS picos, count(*) AS calls
        FROM unnest(groups, tokens, picos) WITH ORDINALITY AS h (g, tokens, picos, place)
        WHERE places IS NULL OR h.place = ANY (places)
        GROUP BY h.g
      ) AS s
      CROSS JOIN LATERAL (VALUES
        (s.key_id, 'key', s.account_id, s.period, 'tokens', s.tokens, s.calls),
        (s.key_id, 'key', s.account_id, s.period, s.currency, s.picos, 0),
        (s.account_id, 'account', s.account_id, s.period, 'tokens', s.tokens, 0),
        (s.account_id, 'account', s.account_id, s.period, s.currency, s.picos, 0)
      ) AS m (scope_id, kind, account_id, period, meter, amount, calls)
    GROUP BY m.scope_id, m.kind, m.account_id, m.period, m.meter
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
      LEFT JOIN quota.scopes q ON q.scope_id = a.scope_id
      LEFT JOIN quota.used u ON u.scope_id = a.scope_id AND u.period = a.period AND u.meter = a.meter
      LEFT JOIN public.hold_totals t ON t.scope_id = a.scope_id AND t.period = a.period AND t.meter = a.meter
    WHERE q.scope_id IS NULL OR q.kind <> a.kind OR q.account_id <> a.account_id
      OR coalesce(u.used, 0) + coalesce(t.held, 0) + a.amount > public.hold_limit(a.meter, q.tokens_max, q.spend_max)
      OR (a.calls > 0
        AND (SELECT sum(b.calls) FROM unnest(sums) AS b WHERE b.scope_id = a.scope_id)
          + (SELECT coalesce(sum(s.calls), 0) FROM public.hold_slots s WHERE s.key_id = a.scope_id)
          > least(q.concurrency, (SELECT p.concurrency FROM quota.scopes p WHERE p.scope_id = a.account_id)))
  );
END $$;

-- Takes holds that may be taken, `sums` of the same; returns how many. Their scopes must be locked.
CREATE FUNCTION insert_holds(
  this_owner uuid, group_keys text[], group_accounts text[], group_periods text[], group_currencies text[],
  request_ids uuid[], groups integer[], tokens bigint[], picos numeric[], deadlines_ms bigint[], accepted text[],
  places integer[], sums hold_sum[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  inserted bigint;
BEGIN
  INSERT INTO public.holds (
    request_id, key_id, account_id, period, currency, tokens, picos, deadline, owner, accepted, taken_at
  )
  SELECT h.request_id, group_keys[h.g], group_accounts[h.g], group_periods[h.g], group_currencies[h.g], h.tokens,
    h.picos, to_timestamp(h.deadline_ms / 1000.0), this_owner, h.accepted, now()
  FROM unnest(request_ids, groups, tokens, picos, deadlines_ms, accepted)
    WITH ORDINALITY AS h (request_id, g, tokens, picos, deadline_ms, accepted, place)
  WHERE places IS NULL OR h.place = ANY (places);
  GET DIAGNOSTICS inserted = ROW_COUNT;

  WITH slots AS (
    INSERT INTO public.hold_slots AS s (key_id, owner, calls)
    SELECT a.scope_id, this_owner, sum(a.calls) FROM unnest(sums) AS a WHERE a.calls > 0 GROUP BY a.scope_id
    ON CONFLICT (key_id, owner) DO UPDATE SET calls = s.calls + excluded.calls
  )
  INSERT INTO public.hold_totals AS t (scope_id, period, meter, held)
  SELECT a.scope_id, a.period, a.meter, sum(a.amount) FROM unnest(sums) AS a GROUP BY a.scope_id, a.period, a.meter
  ON CONFLICT (scope_id, period, meter) DO UPDATE SET held = t.held + excluded.held;
  RETURN inserted;
END $$;

-- Why a hold cannot be taken now, or null. Its scopes must be locked.
CREATE FUNCTION hold_refusal(key_id text, account_id text, period text, currency text, tokens bigint, picos numeric)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  slots record;
  exceeded record;
BEGIN
  SELECT least(k.concurrency, a.concurrency) AS cap,
    (SELECT coalesce(sum(s.calls), 0) FROM public.hold_slots s WHERE s.key_id = hold_refusal.key_id) AS calls INTO slots
  FROM quota.scopes k, quota.scopes a
  WHERE k.scope_id = hold_refusal.key_id AND k.kind = 'key' AND k.account_id = hold_refusal.account_id
    AND a.scope_id = hold_refusal.account_id AND a.kind = 'account';
  IF NOT FOUND THEN
    RETURN jsonb_build_object('reason', 'unknown_scope');
  END IF;
  IF slots.calls >= slots.cap THEN
    RETURN jsonb_build_object('reason', 'concurrency', 'limit', slots.cap);
  END IF;

  SELECT m.scope, m.meter, b.most, b.used, b.held INTO exceeded
  FROM (VALUES
      (1, 'key', hold_refusal.key_id, 'tokens', tokens), (2, 'key', hold_refusal.key_id, currency, picos),
      (3, 'account', hold_refusal.account_id, 'tokens', tokens),
      (4, 'account', hold_refusal.account_id, currency, picos)
    ) AS m (place, scope, scope_id, meter, amount)
    CROSS JOIN LATERAL (
      SELECT public.hold_limit(m.meter, q.tokens_max, q.spend_max) AS most,
        coalesce(u.used, 0) AS used, coalesce(t.held, 0) AS held
      FROM quota.scopes q
        LEFT JOIN quota.used u
          ON u.scope_id = m.scope_id AND u.period = hold_refusal.period AND u.meter = m.meter
        LEFT JOIN public.hold_totals t
          ON t.scope_id = m.scope_id AND t.period = hold_refusal.period AND t.meter = m.meter
      WHERE q.scope_id = m.scope_id
    ) AS b
  WHERE b.used + b.held + m.amount > b.most
  ORDER BY m.place LIMIT 1;
  IF FOUND THEN
    RETURN jsonb_build_object('reason', 'quota', 'scope', exceeded.scope, 'meter', exceeded.meter,
      'limit', exceeded.most::numeric(38, 0)::text, 'used', exceeded.used::text, 'held', exceeded.held::text);
  END IF;
  RETURN NULL;
END $$;

-- Who claimed an idempotency key before, as a refusal; null when nobody did.
CREATE FUNCTION claim_refusal(this_key text, this_hash text, this_body text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  claim record;
BEGIN
  SELECT c.request_id, c.body_hash INTO claim FROM public.idempotency_claims c
  WHERE c.key_id = this_key AND c.key_hash = this_hash;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  RETURN jsonb_build_object('reason', 'idempotency', 'requestId', claim.request_id,
    'sameBody', claim.body_hash = this_body);
END $$;

-- Decides and takes a batch of holds. Holds come as columns in arrival order (see `hold_sums`), the bytes of their
-- RequestAccepted as one text joined by U+001F, which JSON never holds raw. `claim_hashes` and `claim_bodies` are null
-- where a call has no idempotency key.
--
-- Renews the owner's lease, so that no hold is born with a stale one. Then frees the slots of this owner's ended calls
-- (`freed_calls` of each of `freed_keys`) and forgets idempotency claims of calls that charged nothing (`forgotten`).
--
-- A hold is granted when both its scopes are known, its key has a slot and used + held + new ≤ limit for tokens and
-- money of key and account. `refusals` is a JSON array of {n, refusal}, one element per refused hold with its place
-- (from 1); all others, `granted` of them, are taken.
--
-- Holds that fit even if the whole batch were granted are taken by set; only the others are decided one by one, in
-- arrival order, so that a refused one does not count against those after it.
--
-- SQLSTATE TLY01: the session is not the owner's latest one. TLY02: the columns have different lengths.
CREATE FUNCTION take_holds(
  this_owner uuid, this_session uuid, freed_keys text[], freed_calls integer[], forgotten uuid[],
  group_keys text[], group_accounts text[], group_periods text[], group_currencies text[],
  request_ids uuid[], groups integer[], tokens bigint[], picos numeric[], deadlines_ms bigint[], accepted_text text,
  claim_hashes text[], claim_bodies text[],
  OUT granted bigint, OUT refusals jsonb
) LANGUAGE plpgsql AS $$
DECLARE
  accepted text[] := string_to_array(accepted_text, E'\x1f');
  size integer := cardinality(request_ids);
  claims boolean := cardinality(array_remove(claim_hashes, NULL)) > 0;
  last_seen timestamptz;
  sums public.hold_sum[];
  tight text[];
  contested integer[] := '{}';
  uncontested integer[];
  refused jsonb[] := '{}';
  refused_asks text[] := '{}';
  group_refusals jsonb[] := '{}';
  n integer;
  g integer;
  asked text;
  refusal jsonb;
BEGIN
  IF (size = ALL (ARRAY[cardinality(groups), cardinality(tokens), cardinality(picos), cardinality(deadlines_ms),
    cardinality(accepted), cardinality(claim_hashes), cardinality(claim_bodies)])) IS NOT TRUE THEN
    RAISE EXCEPTION 'the columns of a batch of holds have different lengths' USING ERRCODE = 'TLY02';
  END IF;
  SELECT o.seen_at INTO last_seen FROM public.relay_owners o
  WHERE o.owner = this_owner AND o.session = this_session FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'this session of the relay has ended' USING ERRCODE = 'TLY01';
  END IF;
  IF last_seen < clock_timestamp() - interval '1 second' THEN
    UPDATE public.relay_owners o SET seen_at = clock_timestamp() WHERE o.owner = this_owner;
  END IF;

  PERFORM public.lock_hold_scopes(ARRAY (
    SELECT unnest(group_keys) UNION SELECT unnest(group_accounts) UNION SELECT unnest(freed_keys)
  ));
  IF cardinality(freed_keys) > 0 THEN
    UPDATE public.hold_slots s SET calls = s.calls - f.calls
    FROM unnest(freed_keys, freed_calls) AS f (key_id, calls)
    WHERE s.key_id = f.key_id AND s.owner = this_owner;
  END IF;
  IF cardinality(forgotten) > 0 THEN
    DELETE FROM public.idempotency_claims c WHERE c.request_id = ANY (forgotten);
  END IF;
  IF size = 0 THEN
    granted := 0;
    refusals := '[]';
    RETURN;
  END IF;

  sums := public.hold_sums(group_keys, group_accounts, group_periods, group_currencies, groups, tokens, picos, NULL);
  tight := public.tight_hold_scopes(sums);
  IF claims OR cardinality(tight) > 0 THEN
    contested := ARRAY (
      SELECT h.place
      FROM (
        SELECT u.place, group_keys[u.g] AS key_id, group_accounts[u.g] AS account_id, u.claim,
          count(u.claim) OVER (PARTITION BY group_keys[u.g], u.claim) AS alike
        FROM unnest(groups, claim_hashes) WITH ORDINALITY AS u (g, claim, place)
      ) AS h
      WHERE h.key_id = ANY (tight) OR h.account_id = ANY (tight) OR h.alike > 1
        OR (SELECT true FROM public.idempotency_claims c WHERE c.key_id = h.key_id AND c.key_hash = h.claim)
      ORDER BY h.place
    );
  END IF;
  IF cardinality(contested) > 0 THEN
    uncontested := ARRAY (SELECT p FROM generate_series(1, size) AS p WHERE p <> ALL (contested));
    sums := public.hold_sums(group_keys, group_accounts, group_periods, group_currencies, groups, tokens, picos,
      uncontested);
  END IF;

  granted := public.insert_holds(this_owner, group_keys, group_accounts, group_periods, group_currencies,
    request_ids, groups, tokens, picos, deadlines_ms, accepted, uncontested, sums);
  IF claims THEN
    INSERT INTO public.idempotency_claims (key_id, key_hash, body_hash, request_id, claimed_at)
    SELECT group_keys[h.g], h.claim, h.body, h.request_id, now()
    FROM unnest(groups, claim_hashes, claim_bodies, request_ids)
      WITH ORDINALITY AS h (g, claim, body, request_id, place)
    WHERE h.claim IS NOT NULL AND h.place <> ALL (contested);
  END IF;
  FOREACH n IN ARRAY contested LOOP
    g := groups[n];
    asked := tokens[n] || ' ' || picos[n];
    refusal := NULL;
    IF claim_hashes[n] IS NOT NULL THEN
      refusal := public.claim_refusal(group_keys[g], claim_hashes[n], claim_bodies[n]);
    END IF;
    -- The same was asked and refused since the last grant: a key at its limit must not keep the others waiting.
    IF refusal IS NULL AND refused_asks[g] = asked THEN
      refusal := group_refusals[g];
    ELSIF refusal IS NULL THEN
      refusal := public.hold_refusal(group_keys[g], group_accounts[g], group_periods[g], group_currencies[g],
        tokens[n], picos[n]);
      refused_asks[g] := asked;
      group_refusals[g] := refusal;
    END IF;
    IF refusal IS NOT NULL THEN
      refused := refused || jsonb_build_object('n', n, 'refusal', refusal);
      CONTINUE;
    END IF;
    refused_asks := '{}';
    sums := public.hold_sums(group_keys, group_accounts, group_periods, group_currencies, groups[n:n], tokens[n:n],
      picos[n:n], NULL);
    granted := granted + public.insert_holds(this_owner, group_keys, group_accounts, group_periods, group_currencies,
      request_ids[n:n], groups[n:n], tokens[n:n], picos[n:n], deadlines_ms[n:n], accepted[n:n], NULL, sums);
    IF claim_hashes[n] IS NOT NULL THEN
      INSERT INTO public.idempotency_claims (key_id, key_hash, body_hash, request_id, claimed_at)
      VALUES (group_keys[g], claim_hashes[n], claim_bodies[n], request_ids[n], now());
    END IF;
  END LOOP;
  refusals := to_jsonb(refused);
END $$;
