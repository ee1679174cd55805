/**
 * A file of late records: sealed lines, of which the first says what it is, and every other one is one record. Specified
 * in docs/reference/audit.md, "Nothing is lost".
 */
import { decodeBase64url, encodeBase64url } from "../core/base64url.ts";
import type { AppendCondition, AuditEntry } from "../core/audit_entry.ts";
import { GatewayError } from "../core/errors.ts";
import type { PrivateValues } from "../core/record_values.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { LineSeal, splitLines, unverifiedText } from "./sealed_lines.ts";

const FORMAT = "intentgate-late-records-v1";
/** More than the longest event and the longest texts beside it take, every character of which may need six in JSON. */
const MAX_LINE_BYTES = 2_097_152;

/** Keys by key id that files are sealed with; new ones with the active one. */
export interface LateKeys {
  readonly active: string;
  readonly keys: ReadonlyMap<string, Uint8Array>;
}

/** Which file: another name or another log is another file. */
export interface LateFileId {
  readonly name: string;
  readonly logId: string;
}

/** How the reading of a file ended. `lines`: that many are not what was written, or stand after one that is not. */
export type LateFileEnd =
  | { readonly kind: "whole" }
  | { readonly kind: "torn" }
  | { readonly kind: "damaged"; readonly lines: number };

/** Makes the lines of a new file. */
export class LateFileWriter {
  readonly #seal: LineSeal;
  readonly #header: string;

  constructor({ active, keys }: LateKeys, { name, logId }: LateFileId) {
    const key = keys.get(active);
    if (key === undefined) throw new TypeError(`Expected a key "${active}"`);
    this.#seal = new LineSeal(key);
    this.#header = JSON.stringify({ format: FORMAT, kid: active, log_id: logId, name });
  }

  header(): string {
    return this.#seal.seal(this.#header);
  }

  /** `text`: JSON of one member. */
  line(text: string): string {
    return this.#seal.seal(text);
  }
}

/**
 * The members of a file in order. Ends at the first line that is not what was written; only the last one may be cut off
 * by a crash. Throws `GatewayError` (`late_records_unusable`) when the file is of another log or under an unknown key.
 */
export async function* readLateFile(
  bytes: AsyncIterable<Uint8Array>,
  { keys }: LateKeys,
  id: LateFileId,
): AsyncGenerator<JsonObject, LateFileEnd> {
  let seal: LineSeal | undefined;
  let damaged = 0;
  for await (const { text, isWhole } of splitLines(bytes, MAX_LINE_BYTES)) {
    if (!isWhole) return damaged === 0 ? { kind: "torn" } : { kind: "damaged", lines: damaged + 1 };
    if (damaged > 0) {
      damaged++;
      continue;
    }
    const isHeader = seal === undefined;
    seal ??= sealOf(text, keys, id);
    const opened = seal?.open(text);
    const member = opened === undefined ? undefined : parseMember(opened);
    if (member === undefined) damaged++;
    else if (!isHeader) yield member;
  }
  return damaged === 0 ? { kind: "whole" } : { kind: "damaged", lines: damaged };
}

/** The seal of the key that the first line names; absent when that line is none of ours. */
function sealOf(line: string, keys: LateKeys["keys"], id: LateFileId): LineSeal | undefined {
  const header = parseMember(unverifiedText(line)) ?? {};
  if (header.format !== FORMAT || header.name !== id.name) return undefined;
  const kid = typeof header.kid === "string" ? header.kid : "";
  const key = keys.get(kid);
  if (key === undefined) {
    throw unusable(
      id.name,
      `it was written under the key "${kid.slice(0, 32)}", which the key ring does not have`,
    );
  }
  if (header.log_id !== id.logId) throw unusable(id.name, "it belongs to another database");
  return new LineSeal(key);
}

function unusable(name: string, why: string): GatewayError {
  return new GatewayError("late_records_unusable", `Cannot use the late records in "${name}": ${why}`);
}

function parseMember(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A record as it stands in a file. */
export function recordMember(entry: AuditEntry): JsonObject {
  const { chain, eventId, canonical, salt, values, conditions, ...rest } = entry;
  rest satisfies Record<string, never>; // a new member of an entry must be kept too
  return {
    ...{ chain, event_id: eventId, event: canonical, conditions },
    ...(salt === undefined ? {} : { salt: encodeBase64url(salt) }),
    ...(values === undefined ? {} : { values: { ...values } }),
  };
}

/** The record of a member that was sealed by us; throws `TypeError` for one of another version. */
export function recordOf(member: JsonObject): AuditEntry {
  const { chain, event_id, event, conditions, salt, values } = member;
  if (typeof chain !== "string" || typeof event_id !== "string" || typeof event !== "string") {
    throw new TypeError("Expected a late record with chain, event_id and event");
  }
  if (!Array.isArray(conditions)) throw new TypeError("Expected a late record with conditions");
  const saltBytes = typeof salt === "string" ? decodeBase64url(salt) : undefined;
  return {
    ...{ chain, eventId: event_id, canonical: event },
    ...(saltBytes === undefined ? {} : { salt: saltBytes }),
    ...(isJsonObject(values) ? { values: values as PrivateValues } : {}),
    conditions: conditions as unknown as readonly AppendCondition[],
  };
}
