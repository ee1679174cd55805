-- The Merkle tree over each chain's events (RFC 6962), in full tiles of 256 hashes, and the signed checkpoints of it.
-- Leaf n is event n + 1. Everything here can be computed again from the events and is only ever added.

CREATE TABLE audit_tiles (
  chain text COLLATE "C" NOT NULL,
  level int NOT NULL CHECK (level BETWEEN 0 AND 6),
  index bigint NOT NULL CHECK (index >= 0),
  hashes bytea NOT NULL CHECK (length(hashes) = 8192),
  root bytea NOT NULL CHECK (length(root) = 32),
  PRIMARY KEY (chain, level, index)
);

CREATE TABLE audit_checkpoints (
  chain text COLLATE "C" NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  root bytea NOT NULL CHECK (length(root) = 32),
  note text NOT NULL,
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (chain, size)
);

-- What witnesses add to a checkpoint: signature lines of other parties.
CREATE TABLE audit_cosignatures (
  chain text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  witness text NOT NULL,
  line text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (chain, size, witness),
  FOREIGN KEY (chain, size) REFERENCES audit_checkpoints
);

-- The public halves of the keys that have signed checkpoints here: a convenience, never a root of trust.
CREATE TABLE checkpoint_keys (
  public_key bytea PRIMARY KEY CHECK (length(public_key) = 32),
  first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Adds tiles; one that is there already stays, because a full tile never changes. Refuses tiles of events that the chain does
-- not have yet, and one with other hashes than what stands there: either would lead to no checkpoint for ever.
CREATE FUNCTION audit_add_tiles(
  tile_chain text, levels int[], indexes bigint[], tile_hashes bytea[], roots bytea[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  head_seq bigint := coalesce((SELECT h.seq FROM audit_heads h WHERE h.chain = tile_chain), 0);
  refused text;
BEGIN
  SELECT format('%s/%s', u.level, u.index) INTO refused FROM unnest(levels, indexes) AS u (level, index)
  WHERE (u.index::numeric + 1) * 256::numeric ^ (u.level + 1) > head_seq LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'Expected tiles of the % events of chain "%", got tile %', head_seq, tile_chain, refused;
  END IF;
  INSERT INTO audit_tiles (chain, level, index, hashes, root)
  SELECT tile_chain, u.level, u.index, u.hashes, u.root
  FROM unnest(levels, indexes, tile_hashes, roots) AS u (level, index, hashes, root)
  ON CONFLICT DO NOTHING;
  SELECT format('%s/%s', u.level, u.index) INTO refused
  FROM unnest(levels, indexes, tile_hashes, roots) AS u (level, index, hashes, root)
  JOIN audit_tiles t ON t.chain = tile_chain AND t.level = u.level AND t.index = u.index
  WHERE (t.hashes, t.root) IS DISTINCT FROM (u.hashes, u.root) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'Tile % of chain "%" stands there with other hashes than its events have', refused, tile_chain;
  END IF;
END $$;

-- Adds the next checkpoint of a chain; false when another replica has added one after `base_size` meanwhile.
CREATE FUNCTION audit_add_checkpoint(
  checkpoint_chain text, base_size bigint, new_size bigint, new_root bytea, new_note text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  known_size bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('audit_add_checkpoint ' || checkpoint_chain, 0));
  SELECT max(c.size) INTO known_size FROM audit_checkpoints c WHERE c.chain = checkpoint_chain;
  IF coalesce(known_size, 0) <> base_size OR new_size < base_size THEN
    RETURN false;
  END IF;
  INSERT INTO audit_checkpoints (chain, size, root, note)
  VALUES (checkpoint_chain, new_size, new_root, new_note)
  ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;

CREATE FUNCTION audit_add_cosignature(
  checkpoint_chain text, checkpoint_size bigint, witness_name text, signature_line text
) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO audit_cosignatures (chain, size, witness, line)
  VALUES (checkpoint_chain, checkpoint_size, witness_name, signature_line)
  ON CONFLICT DO NOTHING
$$;

-- True when the key was not known.
CREATE FUNCTION audit_add_checkpoint_key(new_key bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO checkpoint_keys (public_key) VALUES (new_key) ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $$;

CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_tiles EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints EXECUTE FUNCTION refuse_change();
