-- Everything the gateway needs to decide, record and revoke. Text that is compared or sorted for locking uses the
-- collation "C", so that the order is the same on every server.

DO $$
BEGIN
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'Expected a database with encoding "UTF8", got "%"', current_setting('server_encoding');
  END IF;
END $$;

CREATE TABLE installation (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  log_id text COLLATE "C" NOT NULL CHECK (log_id ~ '^[A-Za-z0-9_-]{22,64}$'),
  settings_version bigint NOT NULL DEFAULT 1
);

-- 128 random bits: two random UUIDs give 244, SHA-256 mixes them, the first 16 bytes become base64url.
INSERT INTO installation (log_id)
SELECT translate(
  rtrim(
    encode(
      substring(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')) FROM 1 FOR 16),
      'base64'
    ),
    '='
  ),
  '+/',
  '-_'
);

CREATE TABLE tenants (
  name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  settings jsonb NOT NULL DEFAULT '{}'
);

-- What was minted, never the token itself.
CREATE TABLE tokens (
  tenant text COLLATE "C" NOT NULL REFERENCES tenants,
  jti text COLLATE "C" NOT NULL,
  kid text COLLATE "C" NOT NULL,
  block_id text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL,
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  operator text NOT NULL,
  PRIMARY KEY (tenant, jti)
);

-- Says how many tokens end with a key.
CREATE INDEX tokens_kid ON tokens (kid, expires_at);

-- The order in which they are listed.
CREATE INDEX tokens_issued ON tokens (tenant, issued_at, jti);

-- Which keys replicas have started with: never the keys, and fingerprints that say nothing about them. A key that was
-- once active must be in every ring until it is retired.
CREATE TABLE key_fingerprints (
  kid text COLLATE "C" PRIMARY KEY,
  fingerprint text COLLATE "C" NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{32}$'),
  first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  activated_at timestamptz,
  retired_at timestamptz
);

-- The counter's row is updated, and thus locked until commit, by whoever adds to the feed (a revocation, a kill switch or
-- its release): numbers commit in order, so a reader that has seen n never misses a smaller one.
CREATE TABLE revocation_counter (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  number bigint NOT NULL DEFAULT 0
);
INSERT INTO revocation_counter DEFAULT VALUES;

CREATE TABLE revocations (
  number bigint PRIMARY KEY,
  tenant text COLLATE "C" REFERENCES tenants,
  kind text NOT NULL CHECK (kind IN ('block', 'agent', 'user', 'upstream', 'tenant', 'all')),
  value text COLLATE "C",
  before timestamptz,
  reason text NOT NULL,
  operator text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((kind = 'all') = (tenant IS NULL)),
  CHECK ((kind IN ('tenant', 'all')) = (value IS NULL))
);

-- An engaged switch stops calls until its release has a row; both are only ever added. A release names a switch and
-- nothing else, so that no revocation can be taken back.
CREATE TABLE kill_switches (
  number bigint PRIMARY KEY,
  scope text NOT NULL CHECK (scope IN ('all', 'tenant', 'upstream', 'agent')),
  tenant text COLLATE "C" REFERENCES tenants,
  value text COLLATE "C",
  reason text NOT NULL,
  operator text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (tenant IS NULL OR scope <> 'all'),
  CHECK (tenant IS NOT NULL OR scope IN ('all', 'upstream')),
  CHECK ((scope IN ('upstream', 'agent')) = (value IS NOT NULL))
);

CREATE TABLE kill_switch_releases (
  number bigint PRIMARY KEY,
  kill_switch bigint NOT NULL UNIQUE REFERENCES kill_switches,
  reason text NOT NULL,
  operator text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A release is read by whoever may read its switch.
CREATE POLICY reads ON kill_switch_releases FOR SELECT
USING (EXISTS (SELECT FROM kill_switches k WHERE k.number = kill_switch));

CREATE TABLE replicas (
  replica_id text COLLATE "C" PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  lease_until timestamptz NOT NULL,
  version text NOT NULL,
  config_digest text NOT NULL
);

-- What is only ever added, and what only grows. These hold for everybody: the owner of the tables would have to drop them.

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Rows of "%" are only ever added: refused %', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON revocations EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON kill_switches EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON kill_switch_releases EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_step_back() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'The row of "%" only goes forward: refused %', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER only_forward BEFORE UPDATE ON installation FOR EACH ROW
WHEN (NEW.log_id <> OLD.log_id OR NEW.settings_version < OLD.settings_version) EXECUTE FUNCTION refuse_step_back();
CREATE TRIGGER never_gone BEFORE DELETE OR TRUNCATE ON installation EXECUTE FUNCTION refuse_step_back();
CREATE TRIGGER only_forward BEFORE UPDATE ON revocation_counter FOR EACH ROW
WHEN (NEW.number < OLD.number) EXECUTE FUNCTION refuse_step_back();
CREATE TRIGGER never_gone BEFORE DELETE OR TRUNCATE ON revocation_counter EXECUTE FUNCTION refuse_step_back();

-- From here on: all that the run-time role may do beyond reading. It may call the functions that are SECURITY DEFINER,
-- and none of the others; store/hardening.sql closes them to everybody else and pins their search path.

-- Holds the row of `installation` until the transaction ends; the new version is announced when it commits.
CREATE FUNCTION settings_raise() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  raised bigint;
BEGIN
  UPDATE installation SET settings_version = settings_version + 1 RETURNING settings_version INTO raised;
  PERFORM pg_notify('intentgate_settings', raised::text);
  RETURN raised;
END $$;

CREATE FUNCTION token_record(
  new_tenant text, new_jti text, new_kid text, new_block_id text, new_agent text, issued double precision,
  expires double precision, new_operator text
) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO tokens (tenant, jti, kid, block_id, agent, issued_at, expires_at, operator)
  VALUES (
    new_tenant, new_jti, new_kid, new_block_id, new_agent, to_timestamp(issued), to_timestamp(expires), new_operator
  )
$$;

-- Adds the keys that are new. In the order of their ids, so that replicas which start at once do not dead-lock.
CREATE FUNCTION key_register(kids text[], fingerprints text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO key_fingerprints (kid, fingerprint)
  SELECT u.kid, u.fingerprint FROM unnest(kids, fingerprints) AS u (kid, fingerprint) ORDER BY u.kid COLLATE "C"
  ON CONFLICT (kid) DO NOTHING
$$;

CREATE FUNCTION key_activate(activated text) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE key_fingerprints k SET activated_at = clock_timestamp() WHERE k.kid = activated AND k.activated_at IS NULL
$$;

-- For ever. Says whether the key was known and not retired.
CREATE FUNCTION key_retire(retired text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE key_fingerprints k SET retired_at = clock_timestamp() WHERE k.kid = retired AND k.retired_at IS NULL;
  RETURN FOUND;
END $$;

-- Takes the next number of the feed, announced when the transaction commits.
CREATE FUNCTION feed_next() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  taken bigint;
BEGIN
  UPDATE revocation_counter SET number = number + 1 RETURNING number INTO taken;
  PERFORM pg_notify('intentgate_revocations', taken::text);
  RETURN taken;
END $$;

CREATE FUNCTION revocation_add(
  new_tenant text, new_kind text, new_value text, issued_before double precision, new_reason text, new_operator text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  taken bigint := feed_next();
BEGIN
  INSERT INTO revocations (number, tenant, kind, value, before, reason, operator)
  VALUES (taken, new_tenant, new_kind, new_value, to_timestamp(issued_before), new_reason, new_operator);
  RETURN taken;
END $$;

CREATE FUNCTION kill_switch_engage(
  new_scope text, new_tenant text, new_value text, new_reason text, new_operator text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  taken bigint := feed_next();
BEGIN
  INSERT INTO kill_switches (number, scope, tenant, value, reason, operator)
  VALUES (taken, new_scope, new_tenant, new_value, new_reason, new_operator);
  RETURN taken;
END $$;

-- Number of the release, null when the switch is not engaged.
CREATE FUNCTION kill_switch_release(released bigint, new_reason text, new_operator text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  taken bigint;
BEGIN
  PERFORM 1 FROM revocation_counter FOR UPDATE;
  IF NOT EXISTS (SELECT FROM kill_switches k WHERE k.number = released)
    OR EXISTS (SELECT FROM kill_switch_releases r WHERE r.kill_switch = released) THEN
    RETURN NULL;
  END IF;
  taken := feed_next();
  INSERT INTO kill_switch_releases (number, kill_switch, reason, operator)
  VALUES (taken, released, new_reason, new_operator);
  RETURN taken;
END $$;

-- Leases are measured by the clock of the database and last at most an hour, so that no outcome is owed for ever.
CREATE FUNCTION lease_until(lease_seconds double precision) RETURNS timestamptz
LANGUAGE sql AS $$
  SELECT clock_timestamp() + make_interval(secs => least(lease_seconds, 3600))
$$;

CREATE FUNCTION replica_register(
  new_replica text, new_version text, new_config_digest text, lease_seconds double precision
) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO replicas (replica_id, lease_until, version, config_digest)
  VALUES (new_replica, lease_until(lease_seconds), new_version, new_config_digest)
$$;

-- False when the replica is no longer listed.
CREATE FUNCTION replica_renew(renewed text, lease_seconds double precision) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE replicas r SET lease_until = lease_until(lease_seconds) WHERE r.replica_id = renewed;
  RETURN FOUND;
END $$;
