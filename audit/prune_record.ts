/**
 * What accounts for bodies that are gone: one operator asked for it (`audit.prune_requested`), another confirmed it
 * (`audit.pruned`), and both events stand in the chain after what they are about. Only the last prune counts: it is about
 * everything from event 1 on.
 */
import { Buffer } from "node:buffer";
import { canonicalJson } from "../core/canonical_json.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** Codes of the two events. */
export const PRUNE_REQUESTED = "audit.prune_requested";
export const PRUNED = "audit.pruned";

/** Most allows before the border of a prune whose outcomes may stand after it. */
export const MAX_OWED = 1_000;

/** What a prune event says. `from`: where the bodies began that went with it; those before had gone earlier. */
export interface PruneRecord {
  readonly from: number;
  /** The last event whose body may be gone. A multiple of 256. */
  readonly to: number;
  /** Chain hash after it, hex. */
  readonly chainHash: string;
  /** Decision ids of the allows up to `to` whose outcome stands after it. */
  readonly owed: readonly string[];
  /** The tree that a checkpoint had signed before. */
  readonly tree: { readonly size: number; readonly root: Uint8Array };
}

/** The two events, as canonical JSON, with their sequence numbers. */
export interface PruneEvents {
  readonly request: { readonly seq: number; readonly canonical: string };
  readonly event: { readonly seq: number; readonly canonical: string };
}

/** Two events that account for nothing; says why. */
export class PruneError extends Error {
  override readonly name = "PruneError";
}

/** What two events account for in their chain; throws `PruneError`. */
export function pruneRecord(
  { request, event }: PruneEvents,
  of: { readonly chain: string; readonly log_id: string },
): PruneRecord {
  const asked = readEvent(request.canonical, PRUNE_REQUESTED, of);
  const done = readEvent(event.canonical, PRUNED, of);
  const { data } = done;
  const { from, to, chain_hash, owed, size, root } = data;
  if (!isSeq(from) || !isSeq(to) || from > to || to % 256 !== 0) throw new PruneError("The range is none");
  if (!isHash(chain_hash) || !isHash(root) || !isSeq(size) || size < to) {
    throw new PruneError("The prune says neither chain hash nor tree");
  }
  if (!Array.isArray(owed) || owed.length > MAX_OWED || !owed.every((id) => typeof id === "string")) {
    throw new PruneError(`Expected up to ${MAX_OWED} decisions that owe their outcome`);
  }
  if (!(to < request.seq && request.seq < event.seq && size < event.seq)) {
    throw new PruneError("The prune does not stand after what it is about");
  }
  if (typeof data.request !== "string" || data.request !== asked.uid) {
    throw new PruneError("The prune is not the one that was asked for");
  }
  if (asked.data.from !== from || asked.data.to !== to) {
    const [wanted, found] = [`${asked.data.from} to ${asked.data.to}`, `${from} to ${to}`];
    throw new PruneError(`The events ${wanted} were to be pruned, the prune says ${found}`);
  }
  if (asked.operator === done.operator) throw new PruneError(`Operator "${done.operator}" did both alone`);
  const ids = owed as readonly string[];
  return { from, to, chainHash: chain_hash, owed: ids, tree: { size, root: Buffer.from(root, "hex") } };
}

function readEvent(canonical: string, code: string, of: { readonly chain: string; readonly log_id: string }) {
  const event = parseCanonical(canonical);
  const [metadata, entity, unmapped] = isJsonObject(event)
    ? [event.metadata, event.entity, event.unmapped].map(objectOf)
    : [];
  if (metadata?.event_code !== code) throw new PruneError(`Expected an event "${code}"`);
  if (metadata.tenant_uid !== of.chain || metadata.log_name !== of.log_id) {
    throw new PruneError(`"${code}" is of another chain or log`);
  }
  const operator = objectOf(unmapped?.operator).id;
  if (typeof operator !== "string") throw new PruneError(`"${code}" names no operator`);
  return { uid: metadata.uid, data: objectOf(entity?.data), operator };
}

/** Anything but the one canonical spelling is no event. Its numbers are whole: others are not spelled alike everywhere. */
function parseCanonical(text: string): JsonValue {
  try {
    const value: JsonObject = JSON.parse(text);
    return canonicalJson(value) === text && !hasFraction(value) ? value : null;
  } catch {
    return null;
  }
}

function hasFraction(value: JsonValue | undefined): boolean {
  if (typeof value === "number") return !Number.isInteger(value);
  return typeof value === "object" && value !== null && Object.values(value).some(hasFraction);
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function isSeq(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}

function isHash(value: JsonValue | undefined): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}
