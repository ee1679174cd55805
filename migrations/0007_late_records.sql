-- Records that could not be appended in time and are appended later, from a file in the data folder of the replica that
-- decided. Whether the first attempt was committed is not known then, and it may still be on its way. So an event id
-- stands once: whichever attempt comes first counts, and the other one is refused.

CREATE UNIQUE INDEX audit_events_event_id ON audit_events (event_id);

-- As in 0002_audit.sql, and `not_recorded`: no event with this id is in any chain yet.
CREATE OR REPLACE FUNCTION audit_apply_condition(event_chain text, event_seq bigint, condition jsonb) RETURNS text
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
      PERFORM 1 FROM audit_events e WHERE e.event_id = condition ->> 'event_id';
      RETURN CASE WHEN FOUND THEN 'conflict' ELSE 'held' END;
    ELSE
      RAISE EXCEPTION 'Unknown append condition "%"', coalesce(condition ->> 'kind', 'null')
        USING ERRCODE = 'invalid_parameter_value';
  END CASE;
END $$;
