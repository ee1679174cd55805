-- Operators with names, settings of tenants that change at run time, and the chain of changes that concern no single
-- tenant.

-- The token itself is never kept. A row stays after its token was revoked or expired: the id may then get a new token.
-- `tenants` null is every tenant.
CREATE TABLE operators (
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9._@-]{0,62}$' AND id <> 'root'),
  token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
  role text NOT NULL CHECK (role IN ('auditor', 'viewer', 'operator', 'admin')),
  tenants text[] CHECK (cardinality(tenants) > 0),
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by text NOT NULL,
  disabled_at timestamptz
);

-- The installation's settings version with which the tenant was made or last changed. That version grows with every
-- change, under the lock of its only row, and each is announced on the channel "intentgate_settings".
ALTER TABLE tenants ADD COLUMN settings_version bigint NOT NULL DEFAULT 1;

INSERT INTO audit_heads (chain, seq, hash)
SELECT '~installation', 0, audit_genesis(i.log_id, '~installation') FROM installation i;

-- Makes a tenant and its audit chain; no row when it exists. Locks the installation's row before it inserts, as every
-- change of settings does: two of them cannot dead-lock.
CREATE FUNCTION tenant_create(new_name text, new_settings jsonb) RETURNS SETOF tenants
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  version bigint;
BEGIN
  IF EXISTS (SELECT FROM tenants t WHERE t.name = new_name) THEN
    RETURN;
  END IF;
  version := settings_raise();
  RETURN QUERY
    INSERT INTO tenants (name, settings, settings_version) VALUES (new_name, new_settings, version)
    ON CONFLICT (name) DO NOTHING RETURNING *;
  IF FOUND THEN
    INSERT INTO audit_heads (chain, seq, hash)
    SELECT new_name, 0, audit_genesis(i.log_id, new_name) FROM installation i;
  END IF;
END $$;

-- Replaces the settings of a tenant that is still at `known_version`; no row when it is not.
CREATE FUNCTION tenant_set(changed text, known_version bigint, new_settings jsonb) RETURNS SETOF tenants
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  raised bigint := settings_raise();
BEGIN
  RETURN QUERY
    UPDATE tenants t SET settings = new_settings, settings_version = raised
    WHERE t.name = changed AND t.settings_version = known_version RETURNING t.*;
END $$;

-- When the token expires; null when the id has a token that is still valid. A token never comes back: an id that was
-- disabled or has expired gets a new one.
CREATE FUNCTION operator_create(
  new_id text, new_token_sha256 bytea, new_role text, new_tenants text[], ttl_seconds double precision, creator text
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  expiry timestamptz;
BEGIN
  IF EXISTS (SELECT FROM operators o WHERE o.token_sha256 = new_token_sha256) THEN
    RAISE EXCEPTION 'duplicate key: an operator token is used once' USING ERRCODE = 'unique_violation';
  END IF;
  INSERT INTO operators AS o (id, token_sha256, role, tenants, expires_at, created_by)
  VALUES (
    new_id, new_token_sha256, new_role, new_tenants,
    date_trunc('second', clock_timestamp() + make_interval(secs => ttl_seconds)), creator
  )
  ON CONFLICT (id) DO UPDATE
    SET token_sha256 = excluded.token_sha256, role = excluded.role, tenants = excluded.tenants,
      expires_at = excluded.expires_at, created_at = clock_timestamp(), created_by = excluded.created_by,
      disabled_at = NULL
    WHERE o.disabled_at IS NOT NULL OR o.expires_at <= clock_timestamp()
  RETURNING o.expires_at INTO expiry;
  RETURN expiry;
END $$;

-- Says whether the id had a token that was not disabled.
CREATE FUNCTION operator_disable(disabled text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE operators o SET disabled_at = clock_timestamp() WHERE o.id = disabled AND o.disabled_at IS NULL;
  RETURN FOUND;
END $$;
