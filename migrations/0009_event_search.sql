-- The search index over audit events, filled from the committed chains off the path of calls. Each chain is cut into
-- segments of 4,096 events: segment n has the events n * 4096 + 1 to (n + 1) * 4096. A term is a member of an event with its
-- value, hashed to 64 bits; whoever finds one looks at the event itself. Rows are only added, and none is evidence: both
-- tables may be emptied by their owner and are filled again. Formats: docs/design/audit_search.md.

CREATE TABLE audit_search_segments (
  chain text COLLATE "C" NOT NULL,
  segment int NOT NULL CHECK (segment >= 0),
  -- Of its events, epoch milliseconds; infinite when one of them has no time.
  first_time double precision NOT NULL,
  last_time double precision NOT NULL,
  times bytea NOT NULL CHECK (length(times) = 32768),
  indexed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (chain, segment)
);

CREATE TABLE audit_search_terms (
  chain text COLLATE "C" NOT NULL,
  term bigint NOT NULL,
  segment int NOT NULL,
  hits bytea NOT NULL CHECK (length(hits) BETWEEN 2 AND 512),
  PRIMARY KEY (chain, term, segment)
);

-- One replica fills the index at a time; another takes over when it has not said for a while that it still does.
CREATE TABLE audit_search_indexer (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  replica_id text NOT NULL,
  lease_until timestamptz NOT NULL
);

-- Whether this replica fills the index for the next seconds.
CREATE FUNCTION audit_search_lead(leading_replica text, lease_seconds double precision) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO audit_search_indexer AS i (replica_id, lease_until)
  VALUES (leading_replica, lease_until(lease_seconds))
  ON CONFLICT (only_row) DO UPDATE SET replica_id = excluded.replica_id, lease_until = excluded.lease_until
  WHERE i.replica_id = excluded.replica_id OR i.lease_until < clock_timestamp();
  RETURN FOUND;
END $$;

-- Adds the next segment of a chain; false when another replica was faster, or not all of its events are committed.
CREATE FUNCTION audit_search_add(
  segment_chain text, new_segment int, new_first_time double precision, new_last_time double precision,
  new_times bytea, terms bigint[], term_hits bytea[]
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('audit_search_add ' || segment_chain, 0));
  IF new_segment <> (
    SELECT coalesce(max(s.segment) + 1, 0) FROM audit_search_segments s WHERE s.chain = segment_chain
  ) OR NOT EXISTS (
    SELECT FROM audit_heads h WHERE h.chain = segment_chain AND h.seq >= (new_segment::bigint + 1) * 4096
  ) THEN
    RETURN false;
  END IF;
  INSERT INTO audit_search_segments (chain, segment, first_time, last_time, times)
  VALUES (segment_chain, new_segment, new_first_time, new_last_time, new_times);
  INSERT INTO audit_search_terms (chain, term, segment, hits)
  SELECT segment_chain, u.term, new_segment, u.hits FROM unnest(terms, term_hits) AS u (term, hits);
  RETURN true;
END $$;

-- Removes what the index says of events that retention has taken; the last segment stays, it says where to go on. Returns
-- how many segments went.
CREATE FUNCTION audit_search_forget(search_chain text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  border bigint;
  gone bigint;
BEGIN
  SELECT least(
    (SELECT (e.seq - 1) / 4096 FROM audit_events e WHERE e.chain = search_chain ORDER BY e.seq LIMIT 1),
    (SELECT max(s.segment) FROM audit_search_segments s WHERE s.chain = search_chain)
  ) INTO border;
  DELETE FROM audit_search_segments s WHERE s.chain = search_chain AND s.segment < border;
  GET DIAGNOSTICS gone = ROW_COUNT;
  IF gone > 0 THEN
    DELETE FROM audit_search_terms t WHERE t.chain = search_chain AND t.segment < border;
  END IF;
  RETURN gone;
END $$;
