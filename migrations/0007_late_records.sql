-- Records that could not be appended in time and are appended later, from a file in the data folder of the replica that
-- decided. Whether the first attempt was committed is not known then, and it may still be on its way. So an event id
-- stands once: whichever attempt comes first counts, and the other one is refused.

CREATE UNIQUE INDEX audit_events_event_id ON audit_events (event_id);
