-- What each upstream tool was when it was first trusted or last approved. The row of `installation` is locked by whoever
-- changes pins, as by every change of settings: plans are made on rows that nobody else can change meanwhile.

-- An upstream that has a row was read before: what appears later is new. `version` is the settings version of its last
-- change.
CREATE TABLE tool_pin_upstreams (
  upstream text COLLATE "C" PRIMARY KEY CHECK (upstream ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  version bigint NOT NULL,
  first_read_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- `digest` and `definition` are the pinned ones, absent until the tool is trusted; `candidate` and `candidate_digest` are
-- what the upstream shows instead, absent when it shows the pinned definition. Definitions are RFC 8785 text, as digested.
CREATE TABLE tool_pins (
  upstream text COLLATE "C" NOT NULL REFERENCES tool_pin_upstreams,
  name text COLLATE "C" NOT NULL CHECK (name <> ''),
  skeleton text COLLATE "C" NOT NULL,
  digest text COLLATE "C" CHECK (digest ~ '^v[0-9]+:[0-9a-f]{64}$'),
  definition text,
  pinned_at timestamptz,
  pinned_by text,
  candidate_digest text COLLATE "C" CHECK (candidate_digest ~ '^v[0-9]+:[0-9a-f]{64}$'),
  candidate text,
  candidate_at timestamptz,
  blocked_at timestamptz,
  blocked_by text,
  is_listed boolean NOT NULL,
  PRIMARY KEY (upstream, name),
  CHECK ((digest IS NULL) = (definition IS NULL)),
  CHECK ((candidate_digest IS NULL) = (candidate IS NULL)),
  CHECK (digest IS NOT NULL OR candidate_digest IS NOT NULL),
  CHECK (digest IS DISTINCT FROM candidate_digest)
);

-- Finds names that look like another one. Skeletons may be long: the index holds their beginning.
CREATE INDEX tool_pins_skeleton ON tool_pins (left(skeleton, 200));

-- The writes of a plan. Each holds the row of `installation`, as the one who made the plan does.

CREATE FUNCTION tool_pins_touch(touched text, new_version bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO tool_pin_upstreams (upstream, version) VALUES (touched, new_version)
  ON CONFLICT (upstream) DO UPDATE SET version = excluded.version
$$;

CREATE FUNCTION tool_pins_trust(
  of_upstream text, trusted_by text, names text[], skeletons text[], digests text[], definitions text[]
) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO tool_pins (upstream, name, skeleton, digest, definition, pinned_at, pinned_by, is_listed)
  SELECT of_upstream, t.name, t.skeleton, t.digest, t.definition, clock_timestamp(), trusted_by, true
  FROM unnest(names, skeletons, digests, definitions) AS t (name, skeleton, digest, definition)
  ON CONFLICT (upstream, name) DO UPDATE SET digest = excluded.digest, definition = excluded.definition,
    pinned_at = excluded.pinned_at, pinned_by = excluded.pinned_by, candidate_digest = NULL, candidate = NULL,
    candidate_at = NULL, is_listed = true
$$;

CREATE FUNCTION tool_pins_propose(
  of_upstream text, names text[], skeletons text[], digests text[], definitions text[]
) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO tool_pins (upstream, name, skeleton, candidate_digest, candidate, candidate_at, is_listed)
  SELECT of_upstream, t.name, t.skeleton, t.digest, t.definition, clock_timestamp(), true
  FROM unnest(names, skeletons, digests, definitions) AS t (name, skeleton, digest, definition)
  ON CONFLICT (upstream, name) DO UPDATE SET candidate_digest = excluded.candidate_digest,
    candidate = excluded.candidate, candidate_at = excluded.candidate_at, is_listed = true
$$;

-- They show their pinned definition again.
CREATE FUNCTION tool_pins_settle(of_upstream text, names text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE tool_pins p SET candidate_digest = NULL, candidate = NULL, candidate_at = NULL, is_listed = true
  WHERE p.upstream = of_upstream AND p.name = ANY (names)
$$;

CREATE FUNCTION tool_pins_unlist(of_upstream text, names text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE tool_pins p SET is_listed = false WHERE p.upstream = of_upstream AND p.name = ANY (names)
$$;

CREATE FUNCTION tool_pins_forget(of_upstream text, names text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  DELETE FROM tool_pins p WHERE p.upstream = of_upstream AND p.name = ANY (names)
$$;

-- One operator's answer to one tool. Only the definition that the operator saw is approved; a block without a digest holds
-- whatever the definition is.
CREATE FUNCTION tool_pin_approve(of_upstream text, of_name text, seen_digest text, operator text)
RETURNS SETOF tool_pins
LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE tool_pins p SET blocked_at = NULL, blocked_by = NULL, pinned_at = clock_timestamp(), pinned_by = operator,
    digest = coalesce(p.candidate_digest, p.digest), definition = coalesce(p.candidate, p.definition),
    candidate_digest = NULL, candidate = NULL, candidate_at = NULL
  WHERE p.upstream = of_upstream AND p.name = of_name AND coalesce(p.candidate_digest, p.digest) = seen_digest
  RETURNING p.*
$$;

CREATE FUNCTION tool_pin_block(of_upstream text, of_name text, seen_digest text, operator text)
RETURNS SETOF tool_pins
LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE tool_pins p SET blocked_at = clock_timestamp(), blocked_by = operator
  WHERE p.upstream = of_upstream AND p.name = of_name
    AND (seen_digest IS NULL OR coalesce(p.candidate_digest, p.digest) = seen_digest)
  RETURNING p.*
$$;
