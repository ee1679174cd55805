import assert from "node:assert/strict";
import { GAP_REASONS, gapEntry, type GapReason } from "./gap_event.ts";

const source = { logId: "log", version: "0", replicaId: "r", configDigest: "c" };

Deno.test("gapEntry() says how many are missing, between when, and why, and is recorded once", () => {
  for (const reason of Object.keys(GAP_REASONS) as GapReason[]) {
    const gap = {
      eventId: "e",
      chain: "acme",
      what: "decisions",
      reason,
      count: 7,
      startMs: 5,
      endMs: 9,
    } as const;
    const { chain, eventId, canonical, conditions, salt } = gapEntry(source, gap, {
      timeMs: 20,
      settingsVersion: 3,
    });
    assert.deepEqual([chain, eventId, salt], ["acme", "e", undefined]);
    assert.deepEqual(conditions, [{ kind: "not_recorded", event_id: "e" }]);
    const event = JSON.parse(canonical);
    assert.deepEqual(
      [event.count, event.start_time, event.end_time, event.time, event.status_code],
      [7, 5, 9, 20, reason],
    );
    assert.deepEqual(
      [event.class_uid, event.type_uid, event.metadata.event_code, event.metadata.tenant_uid, event.log_name],
      [1008, 100899, "audit.gap", "acme", "acme"],
    );
    assert.deepEqual(event.unmapped.gap, { reason, what: "decisions" });
    assert.match(event.message, /^7 decisions are missing here: /);
  }
});
