-- Answers of changes that operators made with an idempotency key, so that a repeated request gets the first answer and
-- changes nothing. A row is written in the transaction of its change: one is never there without the other.

-- `answer` is sealed under a key of the ring: answers may hold tokens.
CREATE TABLE idempotency_keys (
  operator text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
  request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
  answer text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (operator, key)
);
CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);

-- Takes a key for this transaction and says how it stands: 'in_flight' when another transaction has taken it, 'kept'
-- when it has an answer, 'full' when the operator has `most` keys that have not expired, else 'free'. The lock is on the
-- key's hash and ends with the transaction; the row is looked for after it was taken, so what was committed is seen.
CREATE FUNCTION idempotency_claim(claiming text, claimed text, most int)
RETURNS TABLE (state text, kept_sha256 bytea, kept_answer text, retry_after_seconds int)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(
    hashtextextended('intentgate-idempotency' || chr(1) || claiming || chr(1) || claimed, 0)
  ) THEN
    state := 'in_flight';
    RETURN NEXT;
    RETURN;
  END IF;
  SELECT 'kept', k.request_sha256, k.answer INTO state, kept_sha256, kept_answer
  FROM idempotency_keys k
  WHERE k.operator = claiming AND k.key = claimed AND k.expires_at > clock_timestamp();
  IF NOT FOUND THEN
    SELECT
      CASE WHEN count(*) >= most THEN 'full' ELSE 'free' END,
      greatest(1, ceil(extract(epoch FROM min(k.expires_at) - clock_timestamp())))::int
    INTO state, retry_after_seconds
    FROM idempotency_keys k
    WHERE k.operator = claiming AND k.expires_at > clock_timestamp();
  END IF;
  RETURN NEXT;
END $$;

-- Keeps the answer of a key that this transaction has claimed; one that has expired gives way.
CREATE FUNCTION idempotency_keep(claiming text, claimed text, sha256 bytea, sealed text, seconds int) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO idempotency_keys AS k (operator, key, request_sha256, answer, expires_at)
  VALUES (claiming, claimed, sha256, sealed, clock_timestamp() + make_interval(secs => seconds))
  ON CONFLICT (operator, key) DO UPDATE
    SET request_sha256 = excluded.request_sha256, answer = excluded.answer, expires_at = excluded.expires_at
$$;

-- Whoever gets an operator's id later must not get answers of the one before.
CREATE FUNCTION idempotency_forget(forgotten text) RETURNS void
LANGUAGE sql SECURITY DEFINER AS $$
  DELETE FROM idempotency_keys k WHERE k.operator = forgotten
$$;

-- Removes expired rows that nobody works on, at most `most`, and says how many.
CREATE FUNCTION idempotency_prune(most int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER AS $$
  WITH expired AS (
    SELECT k.operator, k.key FROM idempotency_keys k
    WHERE k.expires_at <= clock_timestamp()
    ORDER BY k.expires_at LIMIT most
    FOR UPDATE SKIP LOCKED
  ), removed AS (
    DELETE FROM idempotency_keys k USING expired e WHERE k.operator = e.operator AND k.key = e.key RETURNING 1
  )
  SELECT count(*) FROM removed
$$;
