-- The audit chains. hash(0) = SHA-256("intentgate-audit-v1\0" || log_id || "\0" || chain),
-- hash(n) = SHA-256(hash(n-1) || event as UTF-8). Rows of these tables are touched only while the head of their chain is
-- locked, and heads are locked in the order of their names: nothing here can dead-lock or be counted twice.

CREATE TABLE audit_heads (
  chain text COLLATE "C" PRIMARY KEY,
  seq bigint NOT NULL,
  hash bytea NOT NULL CHECK (length(hash) = 32)
) WITH (fillfactor = 50);

CREATE TABLE audit_events (
  chain text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  event text NOT NULL,
  hash bytea NOT NULL,
  appended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (chain, seq)
);

-- Apart from the events: erasing a salt makes the digests inside its event meaningless and leaves the chain whole.
CREATE TABLE audit_salts (
  chain text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  salt bytea NOT NULL,
  PRIMARY KEY (chain, seq)
);

-- Allowed calls whose outcome is still to come.
CREATE TABLE open_decisions (
  decision_id text COLLATE "C" PRIMARY KEY,
  chain text COLLATE "C" NOT NULL,
  replica_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX open_decisions_replica ON open_decisions (replica_id, decision_id);

-- Calls counted against `max_calls` of a block. Holders append blocks as they like, so a root block has only so many rows.
CREATE TABLE call_counters (
  chain text COLLATE "C" NOT NULL,
  block_id text COLLATE "C" NOT NULL,
  root_block_id text COLLATE "C" NOT NULL,
  used bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (chain, block_id)
) WITH (fillfactor = 50);
CREATE INDEX call_counters_expires ON call_counters (expires_at);
CREATE INDEX call_counters_root ON call_counters (chain, root_block_id);

CREATE FUNCTION audit_genesis(log_id text, chain text) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
  SELECT sha256(
    convert_to('intentgate-audit-v1', 'UTF8') || '\x00'::bytea || convert_to(log_id, 'UTF8')
    || '\x00'::bytea || convert_to(chain, 'UTF8')
  )
$$;

-- Counts one call of a block: 'held', 'conflict' when all its calls are used, 'full' when it has no counter yet and its
-- root block already has 1,000. The caller has locked the head of the chain, so nobody else counts here.
CREATE FUNCTION audit_consume_call(event_chain text, condition jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  counted_block text := condition ->> 'block_id';
  root_block text := condition ->> 'root_block_id';
  max_calls bigint := (condition ->> 'max')::bigint;
BEGIN
  UPDATE call_counters c SET used = c.used + 1
  WHERE c.chain = event_chain AND c.block_id = counted_block AND c.used < max_calls;
  IF FOUND THEN
    RETURN 'held';
  END IF;
  PERFORM 1 FROM call_counters c WHERE c.chain = event_chain AND c.block_id = counted_block;
  IF FOUND OR max_calls < 1 THEN
    RETURN 'conflict';
  END IF;
  IF (
    SELECT count(*) FROM call_counters c WHERE c.chain = event_chain AND c.root_block_id = root_block
  ) >= 1000 THEN
    RETURN 'full';
  END IF;
  INSERT INTO call_counters (chain, block_id, root_block_id, used, expires_at)
  VALUES (
    event_chain, counted_block, root_block, 1, to_timestamp((condition ->> 'expires_at')::double precision)
  );
  RETURN 'held';
END $$;

-- Does what one condition asks for and says whether it held: 'held', 'conflict', or 'full'. The caller has locked the
-- head of the chain; `event_seq` is the number the event gets.
CREATE FUNCTION audit_apply_condition(event_chain text, event_seq bigint, condition jsonb) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  CASE condition ->> 'kind'
    WHEN 'open_decision' THEN
      INSERT INTO open_decisions (decision_id, chain, replica_id, seq)
      VALUES (condition ->> 'decision_id', event_chain, condition ->> 'replica_id', event_seq)
      ON CONFLICT DO NOTHING;
      RETURN CASE WHEN FOUND THEN 'held' ELSE 'conflict' END;
    WHEN 'close_decision' THEN
      DELETE FROM open_decisions o
      WHERE o.decision_id = condition ->> 'decision_id' AND o.chain = event_chain;
      RETURN CASE WHEN FOUND THEN 'held' ELSE 'conflict' END;
    WHEN 'consume_call' THEN
      RETURN audit_consume_call(event_chain, condition);
    WHEN 'return_call' THEN
      -- An effect, not a question: an outcome is recorded even when there is nothing to give back.
      UPDATE call_counters c SET used = c.used - 1
      WHERE c.chain = event_chain AND c.block_id = condition ->> 'block_id' AND c.used > 0;
      RETURN 'held';
    WHEN 'not_recorded' THEN
      -- No event with this id is in any chain yet, see 0007_late_records.sql.
      PERFORM 1 FROM audit_events e WHERE e.event_id = condition ->> 'event_id';
      RETURN CASE WHEN FOUND THEN 'conflict' ELSE 'held' END;
    ELSE
      RAISE EXCEPTION 'Unknown append condition "%"', coalesce(condition ->> 'kind', 'null')
        USING ERRCODE = 'invalid_parameter_value';
  END CASE;
END $$;

-- Applies the conditions of one event in order. Returns the index of the first that did not hold, after undoing what the
-- earlier ones did, or null; for 'full' it returns -1 - index. A single condition needs no undoing and gets no savepoint:
-- most events have one.
CREATE FUNCTION audit_apply_conditions(event_chain text, event_seq bigint, conditions jsonb) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
  total int := jsonb_array_length(conditions);
  answer text;
  failed int;
BEGIN
  IF total = 1 THEN
    answer := audit_apply_condition(event_chain, event_seq, conditions -> 0);
    RETURN CASE answer WHEN 'held' THEN NULL WHEN 'full' THEN -1 ELSE 0 END;
  END IF;
  BEGIN
    FOR position IN 0 .. total - 1 LOOP
      answer := audit_apply_condition(event_chain, event_seq, conditions -> position);
      IF answer IS DISTINCT FROM 'held' THEN
        failed := CASE answer WHEN 'full' THEN -1 - position ELSE position END;
        RAISE EXCEPTION 'condition % does not hold', position USING ERRCODE = 'IG001';
      END IF;
    END LOOP;
  EXCEPTION WHEN SQLSTATE 'IG001' THEN
    NULL; -- the savepoint undid it; `failed` keeps its value
  END;
  RETURN failed;
END $$;

-- Appends one batch; row i of every array is one event. Locks the heads of its chains in the order of their names,
-- keeps the order of the input within a chain, and drops only those events whose conditions do not hold.
-- Returns one row per event, in any order; "index" counts from 0.
CREATE FUNCTION audit_append(
  chains text[], event_ids text[], events text[], salts bytea[], conditions text[]
) RETURNS TABLE (index int, status text, new_seq bigint, new_hash bytea, failed_condition int)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  total int := cardinality(chains);
  seqs bigint[] := array_fill(NULL::bigint, ARRAY[total]);
  hashes bytea[] := array_fill(NULL::bytea, ARRAY[total]);
  head_chain text;
  head_seq bigint;
  head_hash bytea;
  failed int;
  item record;
  asked jsonb;
  single jsonb;
BEGIN
  IF total <> cardinality(event_ids) OR total <> cardinality(events) OR total <> cardinality(salts)
    OR total <> cardinality(conditions) THEN
    RAISE EXCEPTION 'Expected arrays of one length' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Holds for this transaction only. A decision is durable before anything is forwarded.
  IF current_setting('synchronous_commit') IN ('off', 'local') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  PERFORM 1 FROM audit_heads h WHERE h.chain = ANY (chains) ORDER BY h.chain FOR UPDATE;
  FOR item IN
    SELECT u.chain COLLATE "C" AS chain, u.event, u.conditions, u.number::int AS number
    FROM unnest(chains, events, conditions) WITH ORDINALITY AS u (chain, event, conditions, number)
    ORDER BY 1, u.number
  LOOP
    IF item.chain IS NULL OR head_chain IS DISTINCT FROM item.chain THEN
      UPDATE audit_heads h SET seq = head_seq, hash = head_hash WHERE h.chain = head_chain;
      SELECT h.chain, h.seq, h.hash INTO head_chain, head_seq, head_hash
      FROM audit_heads h WHERE h.chain = item.chain;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'Unknown audit chain "%"', coalesce(item.chain, 'null')
          USING ERRCODE = 'invalid_parameter_value';
      END IF;
    END IF;
    failed := NULL;
    IF item.conditions IS NOT NULL THEN
      asked := item.conditions::jsonb;
      single := CASE WHEN jsonb_array_length(asked) = 1 THEN asked -> 0 END;
      -- What nearly every event asks, and nothing else: as `audit_apply_condition` does it, without its calls.
      IF single ->> 'kind' = 'open_decision' THEN
        INSERT INTO open_decisions (decision_id, chain, replica_id, seq)
        VALUES (single ->> 'decision_id', head_chain, single ->> 'replica_id', head_seq + 1)
        ON CONFLICT DO NOTHING;
        failed := CASE WHEN FOUND THEN NULL ELSE 0 END;
      ELSIF single ->> 'kind' = 'close_decision' THEN
        DELETE FROM open_decisions o WHERE o.decision_id = single ->> 'decision_id' AND o.chain = head_chain;
        failed := CASE WHEN FOUND THEN NULL ELSE 0 END;
      ELSE
        failed := audit_apply_conditions(head_chain, head_seq + 1, asked);
      END IF;
    END IF;
    index := item.number - 1;
    failed_condition := CASE WHEN failed < 0 THEN -1 - failed ELSE failed END;
    IF failed IS NULL THEN
      head_seq := head_seq + 1;
      head_hash := sha256(head_hash || convert_to(item.event, 'UTF8'));
      seqs[item.number] := head_seq;
      hashes[item.number] := head_hash;
      status := 'appended';
      new_seq := head_seq;
      new_hash := head_hash;
    ELSE
      status := CASE WHEN failed < 0 THEN 'full' ELSE 'conflict' END;
      new_seq := NULL;
      new_hash := NULL;
    END IF;
    RETURN NEXT;
  END LOOP;
  UPDATE audit_heads h SET seq = head_seq, hash = head_hash WHERE h.chain = head_chain;
  INSERT INTO audit_events (chain, seq, event_id, event, hash)
  SELECT u.chain, u.seq, u.event_id, u.event, u.hash
  FROM unnest(chains, seqs, event_ids, events, hashes) AS u (chain, seq, event_id, event, hash)
  WHERE u.seq IS NOT NULL;
  INSERT INTO audit_salts (chain, seq, salt)
  SELECT u.chain, u.seq, u.salt
  FROM unnest(chains, seqs, salts) AS u (chain, seq, salt)
  WHERE u.seq IS NOT NULL AND u.salt IS NOT NULL;
END $$;

-- Forgets the counters of blocks that expired more than an hour ago; returns how many.
CREATE FUNCTION counters_prune() RETURNS bigint
LANGUAGE sql SECURITY DEFINER AS $$
  WITH removed AS (
    DELETE FROM call_counters c WHERE c.expires_at < clock_timestamp() - interval '1 hour' RETURNING 1
  )
  SELECT count(*) FROM removed
$$;

-- A replica leaves only when it owes no outcome.
CREATE FUNCTION replica_remove(removed text) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  DELETE FROM replicas r
  WHERE r.replica_id = removed AND NOT EXISTS (SELECT FROM open_decisions o WHERE o.replica_id = removed)
$$;

-- Nobody changes, removes or empties events, and no head goes back or stays where it is with another hash.
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_forward BEFORE UPDATE ON audit_heads FOR EACH ROW
WHEN (
  NEW.chain <> OLD.chain OR NEW.seq < OLD.seq OR NEW.seq = OLD.seq AND NEW.hash <> OLD.hash
) EXECUTE FUNCTION refuse_step_back();
CREATE TRIGGER never_gone BEFORE DELETE OR TRUNCATE ON audit_heads EXECUTE FUNCTION refuse_step_back();

-- Refusals that no tenant can be blamed for, and the tenant that always exists.
INSERT INTO audit_heads (chain, seq, hash)
SELECT '~unverified', 0, audit_genesis(i.log_id, '~unverified') FROM installation i;
INSERT INTO tenants (name) VALUES ('default');
INSERT INTO audit_heads (chain, seq, hash)
SELECT 'default', 0, audit_genesis(i.log_id, 'default') FROM installation i;
