/** What a start adds to the record: that it happened, and what is not as it was at the start before. */
import { type AuditEntry, type AuditRow, INSTALLATION_CHAIN } from "../core/audit_entry.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { EventSource } from "./event.ts";
import { type InstallationChange, installationEvent } from "./installation_event.ts";
import { type ProcessStart, startedEvent } from "./process_event.ts";
import { canonicalEvent } from "./shorten.ts";

/** Where earlier starts stand; `store/` fits. */
export interface StartReader {
  head(chain: string): Promise<{ readonly seq: number } | undefined>;
  read(chain: string, afterSeq: number, limit: number): Promise<readonly AuditRow[]>;
}

export interface StartRecordInput extends ProcessStart {
  readonly source: EventSource;
  readonly settingsVersion: number;
  readonly nowMs: () => number;
  readonly newId: () => string;
}

/** What the newest start before this one, of any replica, said of itself. */
interface EarlierStart {
  readonly configDigest: string | undefined;
  readonly masterKey: string | undefined;
  readonly checkpointKeys: readonly string[];
  readonly summary: JsonObject;
}

const PAGE = 500;
/** Events beyond which no earlier start is looked for: everything then counts as new. */
const MAX_LOOK_BACK = 20_000;

/** The entries of one start, to be appended together and before anything is served. */
export async function startEntries(
  reader: StartReader,
  input: StartRecordInput,
): Promise<readonly AuditEntry[]> {
  const earlier = await earlierStart(reader);
  const when = () => ({
    ...{ eventId: input.newId(), timeMs: input.nowMs(), settingsVersion: input.settingsVersion },
  });
  const first = { ...input, ...when(), previous: earlier?.summary };
  return [
    entryOf(first.eventId, startedEvent(input.source, first)),
    ...changesSince(earlier, input).map((change) => {
      const event = { ...change, ...when() };
      return entryOf(event.eventId, installationEvent(input.source, event));
    }),
  ];
}

/** How this start differs from the one before; against none, everything is new but the configuration has not changed. */
function changesSince(earlier: EarlierStart | undefined, input: StartRecordInput): InstallationChange[] {
  const { source: { configDigest }, masterKey } = input;
  const changes: InstallationChange[] = [];
  if (earlier?.configDigest !== undefined && earlier.configDigest !== configDigest) {
    const data = { previous: earlier.configDigest };
    changes.push({
      code: "configuration.changed",
      entity: { type: "configuration", uid: configDigest, data },
    });
  }
  if (earlier?.masterKey !== masterKey.kid) {
    const data = { fingerprint: masterKey.fingerprint, previous: earlier?.masterKey };
    changes.push({ code: "key.activated", entity: { type: "master_key", uid: masterKey.kid, data } });
  }
  const before = earlier?.checkpointKeys ?? [];
  const checkpointKey = (uid: string) => ({ type: "checkpoint_key", uid, data: { algorithm: "Ed25519" } });
  for (const key of input.checkpointKeys.filter((key) => !before.includes(key))) {
    changes.push({ code: "checkpoint_key.activated", entity: checkpointKey(key) });
  }
  for (const key of before.filter((key) => !input.checkpointKeys.includes(key))) {
    changes.push({ code: "checkpoint_key.retired", entity: checkpointKey(key) });
  }
  return changes;
}

/** Looks back from the newest event. */
async function earlierStart(reader: StartReader): Promise<EarlierStart | undefined> {
  const head = await reader.head(INSTALLATION_CHAIN);
  const newest = head?.seq ?? 0;
  for (let last = newest; last > Math.max(0, newest - MAX_LOOK_BACK);) {
    const after = Math.max(0, last - PAGE);
    const rows = await reader.read(INSTALLATION_CHAIN, after, last - after);
    for (const row of rows.toReversed()) {
      const start = startOf(row);
      if (start !== undefined) return start;
    }
    last = after;
  }
  return undefined;
}

function startOf({ canonical }: AuditRow): EarlierStart | undefined {
  // A cheap look first; a body that was pruned is none.
  if (!canonical.includes('"gateway.started"')) return undefined;
  const event = member(JSON.parse(canonical));
  if (member(event.metadata).event_code !== "gateway.started") return undefined;
  const said = member(event.unmapped);
  const keys = Array.isArray(said.checkpoint_keys) ? said.checkpoint_keys : [];
  return {
    configDigest: text(said.config_digest),
    masterKey: text(member(said.master_key).kid),
    checkpointKeys: keys.filter((key) => typeof key === "string"),
    summary: {
      config_digest: text(said.config_digest),
      replica: text(said.replica),
      time: typeof event.time === "number" ? event.time : undefined,
      version: text(member(event.app).version),
    },
  };
}

function entryOf(eventId: string, event: JsonObject): AuditEntry {
  return { chain: INSTALLATION_CHAIN, eventId, canonical: canonicalEvent(event), conditions: [] };
}

function member(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
