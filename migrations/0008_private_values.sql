-- What may go from the audit record without breaking it: pruned bodies, erased salts and values. Both take two persons;
-- what they asked for and confirmed stands in `audit_actions` and, as events, in the chain.

-- A change of the record that one operator asks for and another confirms. `id` is the id of the event that asked.
CREATE TABLE audit_actions (
  id text COLLATE "C" PRIMARY KEY,
  chain text COLLATE "C" NOT NULL,
  kind text NOT NULL CHECK (kind IN ('prune', 'erase')),
  details jsonb NOT NULL,
  request_seq bigint NOT NULL,
  requested_by text COLLATE "C" NOT NULL CHECK (requested_by <> 'root'),
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  confirmed_by text COLLATE "C" CHECK (confirmed_by <> 'root' AND confirmed_by <> requested_by),
  confirmed_at timestamptz,
  CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
);
CREATE INDEX audit_actions_pending ON audit_actions (chain, expires_at) WHERE confirmed_by IS NULL;

-- Which beginning of a chain has lost its bodies, and which events account for it. It ends with a full tile: the hashes of
-- all its leaves stay in `audit_tiles`.
CREATE TABLE audit_prunes (
  chain text COLLATE "C" NOT NULL,
  to_seq bigint NOT NULL CHECK (to_seq > 0 AND to_seq % 256 = 0),
  request_seq bigint NOT NULL,
  event_seq bigint NOT NULL,
  action_id text COLLATE "C" NOT NULL UNIQUE REFERENCES audit_actions,
  PRIMARY KEY (chain, to_seq),
  CHECK (to_seq < request_seq AND request_seq < event_seq)
);

-- How far a confirmed erasure has come. It looks at the events of its chain in steps, each in a transaction of its own that
-- counts here what went with it; the step that reaches `last_seq` records the event that says so. `confirmer`: what that
-- event says of whoever confirmed it, besides the name.
CREATE TABLE audit_erasures (
  action_id text COLLATE "C" PRIMARY KEY REFERENCES audit_actions,
  chain text COLLATE "C" NOT NULL,
  confirmer jsonb NOT NULL,
  done_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  salts bigint NOT NULL DEFAULT 0,
  texts bigint NOT NULL DEFAULT 0,
  CHECK (done_seq <= last_seq)
);
CREATE INDEX audit_erasures_unfinished ON audit_erasures (action_id) WHERE done_seq < last_seq;

-- Texts that must not stand in an event: values of arguments, prompts, reasons that people typed. The event has their digest
-- under its salt, and both may go.
CREATE TABLE audit_values (
  chain text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  field text COLLATE "C" NOT NULL CHECK (field IN ('arguments', 'prompt', 'reason', 'description')),
  value text NOT NULL CHECK (octet_length(value) <= 65536),
  PRIMARY KEY (chain, seq, field)
);

-- audit_append with texts beside the events: `texts` has for each event null or an object of fields, as JSON. A function of
-- its own, so that events without any cost nothing more.
CREATE FUNCTION audit_append_with_values(
  chains text[], event_ids text[], events text[], salts bytea[], conditions text[], texts text[]
) RETURNS TABLE (index int, status text, new_seq bigint, new_hash bytea, failed_condition int)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF cardinality(chains) <> cardinality(texts) THEN
    RAISE EXCEPTION 'Expected arrays of one length' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  RETURN QUERY
    WITH appended AS MATERIALIZED (
      SELECT * FROM audit_append(chains, event_ids, events, salts, conditions)
    ), kept AS (
      INSERT INTO audit_values (chain, seq, field, value)
      SELECT chains[a.index + 1], a.new_seq, t.key, t.value
      FROM appended a, jsonb_each_text(texts[a.index + 1]::jsonb) t
      WHERE a.new_seq IS NOT NULL
    )
    SELECT a.index, a.status, a.new_seq, a.new_hash, a.failed_condition FROM appended a;
END $$;

-- Asks for an action; when it expires. Null when `most` of the chain already wait.
CREATE FUNCTION audit_action_request(
  new_id text, action_chain text, action_kind text, action_details jsonb, seq bigint, requester text,
  ttl_seconds double precision, most int
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  expiry timestamptz := date_trunc('second', clock_timestamp() + make_interval(secs => ttl_seconds));
BEGIN
  IF (
    SELECT count(*) FROM audit_actions a
    WHERE a.chain = action_chain AND a.confirmed_by IS NULL AND a.expires_at > clock_timestamp()
  ) >= most THEN
    RETURN NULL;
  END IF;
  INSERT INTO audit_actions (id, chain, kind, details, request_seq, requested_by, expires_at)
  VALUES (new_id, action_chain, action_kind, action_details, seq, requester, expiry);
  RETURN expiry;
END $$;

-- Whether one of two operators has the token that the other one made for it: then they need not be two persons.
CREATE FUNCTION audit_action_related(first_id text, second_id text) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM operators o
    WHERE o.id = first_id AND o.created_by = second_id OR o.id = second_id AND o.created_by = first_id
  )
$$;

-- Confirms one that waits, by another person; whether it did.
CREATE FUNCTION audit_action_confirm(action_id text, confirmer text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE audit_actions a SET confirmed_by = confirmer, confirmed_at = clock_timestamp()
  WHERE a.id = action_id AND a.confirmed_by IS NULL AND a.expires_at > clock_timestamp()
    AND a.requested_by <> confirmer AND confirmer <> 'root'
    AND NOT audit_action_related(a.requested_by, confirmer);
  RETURN FOUND;
END $$;

-- Begins a confirmed erasure: it is about the events that the chain has now. Nothing goes yet.
CREATE FUNCTION audit_erase_begin(confirmed_action text, confirmed_as jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO audit_erasures (action_id, chain, confirmer, done_seq, last_seq)
  SELECT a.id, a.chain, confirmed_as, coalesce(first.seq - 1, h.seq), h.seq
  FROM audit_actions a
  JOIN audit_heads h ON h.chain = a.chain
  LEFT JOIN LATERAL ( -- beside those before it nothing stands any more
    SELECT e.seq FROM audit_events e WHERE e.chain = a.chain AND e.seq <= h.seq ORDER BY e.seq LIMIT 1
  ) first ON true
  WHERE a.id = confirmed_action AND a.kind = 'erase' AND a.confirmed_by IS NOT NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Expected an erasure that two persons want' USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;

-- Removes salts and texts beside the next `most` events of an erasure that fit: of one event, an agent or a user, and
-- recorded between two times. Returns how far it is and how many of each went in all; nothing when it has ended, or another
-- transaction is at it. Whoever gets `done_seq` = `last_seq` records the end in the same transaction.
CREATE FUNCTION audit_erase_step(erased_action text, most bigint) RETURNS TABLE (
  erased_chain text, asked jsonb, confirmed_by text, confirmed_as jsonb,
  done_seq bigint, last_seq bigint, salts bigint, texts bigint
)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  at_work audit_erasures%ROWTYPE;
  upper_seq bigint;
  by_event text;
  by_agent text;
  by_user text;
  needle text;
  member text[];
  from_time timestamptz;
  to_time timestamptz;
  gone_salts bigint;
  gone_texts bigint;
BEGIN
  SELECT * INTO at_work FROM audit_erasures e
  WHERE e.action_id = erased_action AND e.done_seq < e.last_seq FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  erased_chain := at_work.chain;
  confirmed_as := at_work.confirmer;
  SELECT a.details, a.confirmed_by INTO asked, audit_erase_step.confirmed_by
  FROM audit_actions a WHERE a.id = erased_action;
  by_event := asked ->> 'event';
  by_agent := asked ->> 'agent';
  by_user := asked ->> 'user';
  IF num_nonnulls(by_event, by_agent, by_user) <> 1 THEN
    RAISE EXCEPTION 'Expected an event, an agent or a user' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Most events are told apart without reading them as JSON; canonical JSON has no spaces.
  needle := CASE WHEN by_agent IS NULL THEN '"uid":' ELSE '"app_uid":' END || to_json(coalesce(by_agent, by_user))::text;
  member := CASE WHEN by_agent IS NULL THEN '{actor,user,uid}' ELSE '{actor,app_uid}' END;
  from_time := to_timestamp((asked ->> 'from_time')::double precision);
  to_time := to_timestamp((asked ->> 'to_time')::double precision);
  -- One event is found by the index of event ids, all at once.
  upper_seq := CASE WHEN by_event IS NULL THEN least(at_work.done_seq + most, at_work.last_seq) ELSE at_work.last_seq END;
  -- Appends go on meanwhile; only what else deletes beside this chain's events waits.
  PERFORM pg_advisory_xact_lock(hashtextextended('audit_private ' || erased_chain, 0));
  WITH fitting AS MATERIALIZED (
    SELECT e.seq FROM audit_events e
    WHERE by_event IS NOT NULL AND e.event_id = by_event AND e.chain = erased_chain
      AND e.seq > at_work.done_seq AND e.seq <= upper_seq
      AND (from_time IS NULL OR e.appended_at >= from_time) AND (to_time IS NULL OR e.appended_at < to_time)
    UNION ALL
    SELECT e.seq FROM audit_events e
    WHERE by_event IS NULL AND e.chain = erased_chain AND e.seq > at_work.done_seq AND e.seq <= upper_seq
      AND (from_time IS NULL OR e.appended_at >= from_time) AND (to_time IS NULL OR e.appended_at < to_time)
      AND CASE WHEN strpos(e.event, needle) > 0 THEN e.event::jsonb #>> member = coalesce(by_agent, by_user) ELSE false END
  ), removed_salts AS (
    DELETE FROM audit_salts s USING fitting f WHERE s.chain = erased_chain AND s.seq = f.seq RETURNING 1
  ), removed_texts AS (
    DELETE FROM audit_values v USING fitting f WHERE v.chain = erased_chain AND v.seq = f.seq RETURNING 1
  )
  SELECT (SELECT count(*) FROM removed_salts), (SELECT count(*) FROM removed_texts) INTO gone_salts, gone_texts;
  UPDATE audit_erasures e
  SET done_seq = upper_seq, salts = e.salts + gone_salts, texts = e.texts + gone_texts
  WHERE e.action_id = erased_action
  RETURNING e.done_seq, e.last_seq, e.salts, e.texts
  INTO audit_erase_step.done_seq, audit_erase_step.last_seq, audit_erase_step.salts, audit_erase_step.texts;
  RETURN NEXT;
END $$;

-- Says that the event `seq` accounts for what a confirmed action prunes. Nothing goes yet.
CREATE FUNCTION audit_prune_record(confirmed_action text, seq bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO audit_prunes (chain, to_seq, request_seq, event_seq, action_id)
  SELECT a.chain, (a.details ->> 'to')::bigint, a.request_seq, seq, a.id
  FROM audit_actions a WHERE a.id = confirmed_action AND a.kind = 'prune' AND a.confirmed_by IS NOT NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Expected a prune that two persons want' USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;

-- Up to which event bodies may be gone: a signed checkpoint covers the event that accounts for it, and the leaves stand in
-- full tiles.
CREATE FUNCTION audit_pruned_to(pruned_chain text) RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT coalesce(max(p.to_seq), 0) FROM audit_prunes p
  WHERE p.chain = pruned_chain
    AND p.event_seq <= (SELECT max(c.size) FROM audit_checkpoints c WHERE c.chain = pruned_chain)
    AND p.to_seq / 256 <= (
      SELECT count(*) FROM audit_tiles t
      WHERE t.chain = pruned_chain AND t.level = 0 AND t.index < p.to_seq / 256
    )
$$;

CREATE FUNCTION refuse_unpruned() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.seq <= (SELECT max(p.to_seq) FROM audit_prunes p WHERE p.chain = OLD.chain) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'Rows of "%" are only ever added: refused %', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END $$;

-- Removes up to `most` bodies that may go, with what stands beside them; returns how many.
CREATE FUNCTION audit_prune_bodies(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  item record;
  border bigint;
  upper_seq bigint;
  removed bigint := 0;
  gone bigint;
BEGIN
  FOR item IN SELECT p.chain, max(p.to_seq) AS to_seq FROM audit_prunes p GROUP BY p.chain ORDER BY p.chain LOOP
    EXIT WHEN removed >= most;
    CONTINUE WHEN NOT EXISTS (SELECT FROM audit_events e WHERE e.chain = item.chain AND e.seq <= item.to_seq);
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_private ' || item.chain, 0));
    border := audit_pruned_to(item.chain);
    SELECT max(e.seq) INTO upper_seq FROM (
      SELECT e.seq FROM audit_events e WHERE e.chain = item.chain AND e.seq <= border
      ORDER BY e.seq LIMIT most - removed
    ) e;
    CONTINUE WHEN upper_seq IS NULL;
    DELETE FROM audit_salts s WHERE s.chain = item.chain AND s.seq <= upper_seq;
    DELETE FROM audit_values v WHERE v.chain = item.chain AND v.seq <= upper_seq;
    DELETE FROM audit_events e WHERE e.chain = item.chain AND e.seq <= upper_seq;
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
  END LOOP;
  RETURN removed;
END $$;

CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_prunes EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_gone BEFORE DELETE OR TRUNCATE ON audit_actions EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_gone BEFORE DELETE OR TRUNCATE ON audit_erasures EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_forward BEFORE UPDATE ON audit_erasures FOR EACH ROW
WHEN (
  NEW.action_id <> OLD.action_id OR NEW.chain <> OLD.chain OR NEW.confirmer <> OLD.confirmer
  OR NEW.last_seq <> OLD.last_seq OR NEW.done_seq <= OLD.done_seq OR NEW.salts < OLD.salts OR NEW.texts < OLD.texts
) EXECUTE FUNCTION refuse_step_back();
DROP TRIGGER only_added ON audit_events;
CREATE TRIGGER only_added BEFORE UPDATE OR TRUNCATE ON audit_events EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_pruned BEFORE DELETE ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse_unpruned();
