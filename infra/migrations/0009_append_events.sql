-- Appends as the function of the first migration does, for less: what an append expects is looked up once and not for each
-- of its events, positions are counted and not sorted, and only texts come as lists to be split. The other one, told apart
-- by its eighth argument, stays for relays of the version before that still run while others are upgraded: without it,
-- what they have answered could not be settled.

-- Appends a batch of events, each append with its own outcome. Events come as columns; texts as lists joined by U+001F.
-- `expected` is, for each event, the last revision that its append claims for the stream (-1: no stream). A stream
-- stands in one append of the batch only, its events in the order of their revisions.
--
-- Returns one row: where the first accepted event stands (the others follow without a gap, in the order given), and
-- what was refused as a JSON array of {stream, outcome, stream_revision, revision, position, event_id}, null when nothing was.
CREATE FUNCTION append_events(
  stream_list text, expected bigint[], revisions bigint[], event_ids uuid[], type_list text, versions smallint[],
  data_list text, OUT first_position bigint, OUT refused jsonb
) LANGUAGE plpgsql AS $$
DECLARE
  streams text[] := string_to_array(stream_list, E'\x1f');
  types text[] := string_to_array(type_list, E'\x1f');
  bodies text[] := string_to_array(data_list, E'\x1f');
  head bigint;
  refusals text[];
  accepted bigint;
BEGIN
  -- Lock on the only row of event_head: appends run one after another. In READ COMMITTED each statement below sees
  -- everything that was committed before the lock was got.
  SELECT h.position INTO STRICT head FROM event_head h FOR UPDATE;
  first_position := head + 1;

  -- Index (stream, revision), read backwards: the last revision of each stream.
  SELECT array_agg(i.stream) INTO refusals
  FROM unnest(streams, expected, revisions) AS i(stream, expected, revision)
  WHERE i.revision = i.expected + 1 AND i.expected <> coalesce(
    (SELECT e.revision FROM events e WHERE e.stream = i.stream ORDER BY e.revision DESC LIMIT 1), -1);

  IF refusals IS NOT NULL THEN
    -- Index (stream, revision): what stands where the refused events wanted to stand. All ids equal: it is a repetition,
    -- or a reused id when a body differs. Anything else is a conflict.
    SELECT jsonb_agg(r) INTO refused
    FROM (
      SELECT i.stream,
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
      FROM unnest(streams, revisions, event_ids, types, versions, bodies)
        AS i(stream, revision, event_id, type, version, data)
      LEFT JOIN events e ON e.stream = i.stream AND e.revision = i.revision
      WHERE i.stream = ANY (refusals)
      GROUP BY i.stream
    ) r;

    SELECT array_agg(i.stream ORDER BY i.place), array_agg(i.revision ORDER BY i.place),
      array_agg(i.event_id ORDER BY i.place), array_agg(i.type ORDER BY i.place),
      array_agg(i.version ORDER BY i.place), array_agg(i.data ORDER BY i.place)
    INTO streams, revisions, event_ids, types, versions, bodies
    FROM unnest(streams, revisions, event_ids, types, versions, bodies)
      WITH ORDINALITY AS i(stream, revision, event_id, type, version, data, place)
    WHERE i.stream <> ALL (refusals);
  END IF;

  INSERT INTO events (position, stream, revision, event_id, type, version, data)
  SELECT head + i.place, i.stream, i.revision, i.event_id, i.type, i.version, i.data
  FROM unnest(streams, revisions, event_ids, types, versions, bodies)
    WITH ORDINALITY AS i(stream, revision, event_id, type, version, data, place);
  GET DIAGNOSTICS accepted = ROW_COUNT;
  IF accepted > 0 THEN
    UPDATE event_head SET position = head + accepted;
  END IF;
END $$;
