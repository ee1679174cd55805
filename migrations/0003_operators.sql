-- Operators with names, settings of tenants that change at run time, and the chain of changes that concern no single
-- tenant.

-- The token itself is never kept. A row stays after its token was revoked or expired: the id may then get a new token.
-- `tenants` null is every tenant.
CREATE TABLE operators (
  id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9._@-]{0,62}$' AND id <> 'root'),
  token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
  role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
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
