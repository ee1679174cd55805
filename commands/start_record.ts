/** Puts this process's start and stop into the chain of the installation. */
import { stoppedEvent } from "../audit/process_event.ts";
import { canonicalEvent } from "../audit/shorten.ts";
import { startEntries } from "../audit/start_record.ts";
import { INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import type { KeyRing } from "../core/key_ring.ts";
import { fingerprintOf } from "../core/key_rotation.ts";
import type { AuditParts } from "./audit_parts.ts";
import type { LogParts } from "./log_parts.ts";
import { newId } from "./random.ts";
import type { StoreParts } from "./store_parts.ts";

export interface StartRecordOptions {
  readonly store: StoreParts;
  readonly audit: AuditParts;
  readonly ring: KeyRing;
  readonly logs: LogParts;
}

/** Records the start, before anything is served; what it returns records the stop. Throws when the database does not take it. */
export async function recordStart(options: StartRecordOptions): Promise<() => Promise<void>> {
  const { store, audit: { source, outcomes, late }, ring, logs } = options;
  const startedMs = Date.now();
  const entries = await startEntries(store.chain, {
    ...{ source, settingsVersion: store.settings.version(), nowMs: () => Date.now(), newId },
    database: store.db.kind,
    masterKey: { kid: ring.active, fingerprint: await fingerprintOf(ring, ring.active) },
    checkpointKeys: logs.publicKeys,
  });
  await store.appendEvents(entries);
  return async () => {
    const eventId = newId();
    const event = stoppedEvent(source, {
      ...{ eventId, timeMs: Date.now(), settingsVersion: store.settings.version() },
      ...{ startedMs, owed: outcomes.live() },
    });
    const canonical = canonicalEvent(event);
    const entry = { chain: INSTALLATION_CHAIN, eventId, canonical, conditions: [] };
    try {
      await store.appendEvents([entry]);
    } catch (error) {
      if (await late.keep(entry, { what: "other" })) return; // the next start records it before its own
      throw error;
    }
    await logs.signing.signNow(INSTALLATION_CHAIN); // else nothing would prove it until the next start
  };
}
