-- The record: one row per event, never changed. `data` is the exact JSON text, for these bytes are what the audit hashes.
-- Positions have no gap and their order is the order of commits, because every append holds the row of `event_head`.
CREATE TABLE events (
  position bigint PRIMARY KEY CHECK (position > 0),
  stream text COLLATE "C" NOT NULL,
  revision bigint NOT NULL CHECK (revision >= 0),
  event_id uuid NOT NULL,
  type text COLLATE "C" NOT NULL,
  version smallint NOT NULL,
  data text COLLATE "C" NOT NULL,
  UNIQUE (stream, revision)
);

-- Readers that follow rare categories skip the bulk, which is the streams of requests. The hot path adds nothing here.
CREATE INDEX events_beside_requests ON events (position) WHERE split_part(stream, '-', 1) <> 'request';

-- The newest position. One row; whoever appends locks it first.
CREATE TABLE event_head (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  position bigint NOT NULL
);
INSERT INTO event_head (position) VALUES (0);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: the record is only ever appended to', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER events_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER head_is_kept BEFORE DELETE OR TRUNCATE ON event_head
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Relays use the one of the ninth migration; this one is for those of before.
-- Appends a batch of events, each append with its own outcome. Arguments are lists joined by U+001F with one element
-- per event: `appends` numbers the append that the event belongs to, `expected` is the last revision which that append
-- claims for its stream (-1: no stream). A stream stands in one append of the batch only.
--
-- Returns one row: where the first accepted event stands (the others follow without a gap, in the order given), and
-- what was refused as a JSON array of {append, outcome, stream_revision, revision, position, event_id}, null when nothing was.
CREATE FUNCTION append_events(
  append_list text, stream_list text, expected_list text, revision_list text, event_id_list text, type_list text,
  version_list text, data_list text, OUT first_position bigint, OUT refused jsonb
) LANGUAGE plpgsql AS $$
DECLARE
  appends int[] := string_to_array(append_list, E'\x1f')::int[];
  streams text[] := string_to_array(stream_list, E'\x1f');
  expected bigint[] := string_to_array(expected_list, E'\x1f')::bigint[];
  revisions bigint[] := string_to_array(revision_list, E'\x1f')::bigint[];
  event_ids uuid[] := string_to_array(event_id_list, E'\x1f')::uuid[];
  types text[] := string_to_array(type_list, E'\x1f');
  versions smallint[] := string_to_array(version_list, E'\x1f')::smallint[];
  bodies text[] := string_to_array(data_list, E'\x1f');
  head bigint;
  refusals int[];
  accepted bigint;
BEGIN
  -- Lock on the only row of event_head: appends run one after another. In READ COMMITTED each statement below sees
  -- everything that was committed before the lock was got.
  SELECT h.position INTO STRICT head FROM event_head h FOR UPDATE;

  -- Index (stream, revision), read backwards: the last revision of each stream.
  SELECT array_agg(DISTINCT i.append) INTO refusals
  FROM unnest(appends, streams, expected) AS i(append, stream, expected)
  WHERE i.expected <> coalesce(
    (SELECT e.revision FROM events e WHERE e.stream = i.stream ORDER BY e.revision DESC LIMIT 1), -1);

  INSERT INTO events (position, stream, revision, event_id, type, version, data)
  SELECT head + row_number() OVER (ORDER BY i.place), i.stream, i.revision, i.event_id, i.type, i.version, i.data
  FROM unnest(appends, streams, revisions, event_ids, types, versions, bodies)
    WITH ORDINALITY AS i(append, stream, revision, event_id, type, version, data, place)
  WHERE refusals IS NULL OR i.append <> ALL (refusals);
  GET DIAGNOSTICS accepted = ROW_COUNT;

  first_position := head + 1;
  IF accepted > 0 THEN
    UPDATE event_head SET position = head + accepted;
  END IF;
  IF refusals IS NULL THEN
    RETURN;
  END IF;

  -- Index (stream, revision): what stands where the refused events wanted to stand. All ids equal: it is a repetition,
  -- or a reused id when a body differs. Anything else is a conflict.
  SELECT jsonb_agg(r) INTO refused
  FROM (
    SELECT i.append,
      CASE
        WHEN NOT bool_and(e.event_id IS NOT DISTINCT FROM i.event_id) THEN 'conflict'
        WHEN bool_and((e.type, e.version, e.data) = (i.type, i.version, i.data)) THEN 'repeated'
        ELSE 'id_reused'
      END AS outcome,
      (SELECT max(t.revision) FROM events t WHERE t.stream = i.stream)::text AS stream_revision,
      max(e.revision)::text AS revision,
      max(e.position)::text AS position,
      (array_agg(i.event_id ORDER BY i.revision)
        FILTER (WHERE (e.type, e.version, e.data) <> (i.type, i.version, i.data)))[1] AS event_id
    FROM unnest(appends, streams, revisions, event_ids, types, versions, bodies)
      AS i(append, stream, revision, event_id, type, version, data)
    LEFT JOIN events e ON e.stream = i.stream AND e.revision = i.revision
    WHERE i.append = ANY (refusals)
    GROUP BY i.append, i.stream
  ) r;
END $$;
