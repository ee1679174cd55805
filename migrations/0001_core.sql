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

CREATE TABLE replicas (
  replica_id text COLLATE "C" PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  lease_until timestamptz NOT NULL,
  version text NOT NULL,
  config_digest text NOT NULL
);
