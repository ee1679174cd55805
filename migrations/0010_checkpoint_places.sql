-- What each place outside has of each chain's checkpoints: which replica pushes next, and what an operator sees.

CREATE TABLE checkpoint_places (
  place text COLLATE "C" NOT NULL CHECK (place ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  chain text COLLATE "C" NOT NULL,
  -- Name of the log: under another one everything begins anew.
  origin text NOT NULL,
  -- The largest checkpoint that the place has taken; NULL before the first.
  size bigint CHECK (size >= 0),
  pushed_at timestamptz,
  asked_at timestamptz NOT NULL DEFAULT '-infinity',
  -- Since the last success.
  failures int NOT NULL DEFAULT 0,
  last_error text CHECK (length(last_error) <= 300),
  failed_at timestamptz,
  retry_at timestamptz NOT NULL DEFAULT '-infinity',
  claimed_by text COLLATE "C",
  claimed_until timestamptz NOT NULL DEFAULT '-infinity',
  -- The place holds a checkpoint of ours that the log does not continue.
  conflict text CHECK (conflict IN ('rolled_back', 'forked')),
  conflict_size bigint,
  CHECK ((conflict IS NULL) = (conflict_size IS NULL)),
  PRIMARY KEY (place, chain)
) WITH (fillfactor = 70);

-- Claims chains whose newest checkpoint the place does not have yet, those that wait longest first; others leave them alone
-- until `claim_seconds` are over. A chain that was last asked about before `ask_since` is claimed too, although nothing
-- seems to be missing: a database that was restored remembers less than the place.
CREATE FUNCTION checkpoint_place_claim(
  place_name text, replica text, log_origin text, interval_seconds int, ask_since timestamptz, most int,
  claim_seconds int
) RETURNS TABLE (claimed_chain text, held_size bigint, failed_before int)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO checkpoint_places (place, chain, origin)
  SELECT place_name, h.chain, log_origin || '/' || h.chain FROM audit_heads h
  WHERE NOT EXISTS (SELECT FROM checkpoint_places p WHERE p.place = place_name AND p.chain = h.chain)
  ON CONFLICT DO NOTHING;
  UPDATE checkpoint_places p SET
    origin = log_origin || '/' || p.chain, size = NULL, pushed_at = NULL, asked_at = '-infinity', failures = 0,
    last_error = NULL, failed_at = NULL, retry_at = '-infinity', conflict = NULL, conflict_size = NULL
  WHERE p.place = place_name AND p.origin <> log_origin || '/' || p.chain;
  RETURN QUERY
  WITH due AS (
    SELECT p.chain FROM checkpoint_places p
    CROSS JOIN LATERAL (
      SELECT c.size FROM audit_checkpoints c WHERE c.chain = p.chain ORDER BY c.size DESC LIMIT 1
    ) newest
    WHERE p.place = place_name AND p.retry_at <= clock_timestamp() AND p.claimed_until <= clock_timestamp()
      AND (
        p.size IS NULL OR p.failures > 0 OR p.asked_at < ask_since
        OR newest.size > p.size AND p.pushed_at <= clock_timestamp() - make_interval(secs => interval_seconds)
      )
    ORDER BY p.asked_at, p.chain LIMIT most FOR UPDATE OF p SKIP LOCKED
  )
  UPDATE checkpoint_places p SET
    claimed_by = replica, claimed_until = clock_timestamp() + make_interval(secs => claim_seconds)
  FROM due WHERE p.place = place_name AND p.chain = due.chain
  RETURNING p.chain, p.size, p.failures;
END $$;

-- The place has taken the checkpoint of this size, which must be one that was signed.
CREATE FUNCTION checkpoint_place_taken(place_name text, place_chain text, taken_size bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE checkpoint_places p SET
    size = greatest(p.size, taken_size), pushed_at = clock_timestamp(), asked_at = clock_timestamp(), failures = 0,
    last_error = NULL, failed_at = NULL, retry_at = '-infinity', conflict = NULL, conflict_size = NULL,
    claimed_until = '-infinity'
  WHERE p.place = place_name AND p.chain = place_chain
    AND EXISTS (SELECT FROM audit_checkpoints c WHERE c.chain = place_chain AND c.size = taken_size)
$$;

-- It has not, unless a later claim says otherwise.
CREATE FUNCTION checkpoint_place_failed(
  place_name text, place_chain text, replica text, error text, retry_seconds float8, conflict_code text,
  size_there bigint
) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE checkpoint_places p SET
    asked_at = clock_timestamp(), failures = p.failures + 1, last_error = left(error, 300),
    failed_at = clock_timestamp(), retry_at = clock_timestamp() + make_interval(secs => retry_seconds),
    claimed_until = '-infinity',
    conflict = coalesce(conflict_code, p.conflict), conflict_size = coalesce(size_there, p.conflict_size)
  WHERE p.place = place_name AND p.chain = place_chain AND p.claimed_by = replica
$$;
