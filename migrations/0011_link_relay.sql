-- Messages between replicas. A session over a link, and a call that waits for its client's answer, live in the memory of
-- one replica; every other one reaches them through this table. Rows are sealed under a key of the ring, belong to the
-- moment, and are gone when they were read: nothing of it needs to survive a crash.
CREATE UNLOGGED TABLE link_messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  to_replica text COLLATE "C" NOT NULL,
  exchange text COLLATE "C" NOT NULL CHECK (length(exchange) BETWEEN 1 AND 64),
  sealed text NOT NULL CHECK (length(sealed) <= 67108864),
  sent_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX link_messages_to ON link_messages (to_replica, id);
CREATE INDEX link_messages_sent ON link_messages (sent_at);

-- Adds a message and wakes its receiver. Messages of one exchange are sent one after the other, so their numbers grow.
CREATE FUNCTION link_send(sender_tenant text, receiver text, about text, sealed_message text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  sent bigint;
BEGIN
  INSERT INTO link_messages (tenant, to_replica, exchange, sealed)
  VALUES (sender_tenant, receiver, about, sealed_message)
  RETURNING id INTO sent;
  PERFORM pg_notify('intentgate_links', receiver);
  RETURN sent;
END $$;

-- The oldest messages for a replica, at most `most`; they are gone afterwards.
CREATE FUNCTION link_take(receiver text, most int) RETURNS TABLE (exchange text, sealed text)
LANGUAGE sql SECURITY DEFINER AS $$
  WITH oldest AS (
    SELECT m.id FROM link_messages m WHERE m.to_replica = receiver ORDER BY m.id LIMIT most FOR UPDATE SKIP LOCKED
  ), taken AS (
    DELETE FROM link_messages m USING oldest o WHERE m.id = o.id RETURNING m.id, m.exchange, m.sealed
  )
  SELECT t.exchange, t.sealed FROM taken t ORDER BY t.id
$$;

-- Takes a message back. True says that nobody has read it and nobody will.
CREATE FUNCTION link_withdraw(message bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  DELETE FROM link_messages m WHERE m.id = message;
  RETURN FOUND;
END $$;

-- Removes what nobody will read any more: the receiver is gone. Says how many.
CREATE FUNCTION link_prune(most int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER AS $$
  WITH old AS (
    SELECT m.id FROM link_messages m WHERE m.sent_at < clock_timestamp() - interval '5 minutes'
    ORDER BY m.sent_at LIMIT most FOR UPDATE SKIP LOCKED
  ), removed AS (
    DELETE FROM link_messages m USING old o WHERE m.id = o.id RETURNING 1
  )
  SELECT count(*) FROM removed
$$;

CREATE FUNCTION replica_is_alive(asked text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER AS $$
  SELECT EXISTS (SELECT FROM replicas r WHERE r.replica_id = asked AND r.lease_until > clock_timestamp())
$$;
