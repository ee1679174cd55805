/** What stands beside events: texts whose salted digests the events have. */
import { hex } from "../audit/digest.ts";
import { memberAt } from "../audit/event_terms.ts";
import { valueDigest } from "../audit/kept_values.ts";
import type { AuditRow } from "../core/audit_entry.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { requireChain } from "./audit_access.ts";
import { AUDIT_ROUTES } from "./contract/audit.ts";
import { type AdminEnvironment, changeEntry } from "./environment.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, reading } from "./route.ts";

/** What is read of it; `store/audit_values.ts` fits. */
export interface PrivateReader {
  read(chain: string, afterSeq: number, limit: number): Promise<readonly AuditRow[]>;
  /** Salts and texts beside these events; nothing for those that have none. */
  privateOf(chain: string, seqs: readonly number[]): Promise<readonly PrivateRow[]>;
}

interface PrivateRow {
  readonly seq: number;
  readonly salt: Uint8Array | undefined;
  readonly values: Readonly<Record<string, string>>;
}

/** Where the event has the digest of a field. */
const DIGESTS = {
  arguments: ["unmapped", "arguments", "digest"],
  prompt: ["unmapped", "prompt_digest"],
  reason: ["unmapped", "reason_digest"],
  description: ["unmapped", "description_digest"],
} as const;
const FIELDS = ["arguments", "prompt", "reason", "description"] as const;

/** The reasons beside these events by sequence number; asks only for events that have the digest of one. */
export async function reasonsOf(
  reader: PrivateReader,
  chain: string,
  rows: readonly AuditRow[],
): Promise<ReadonlyMap<number, string>> {
  const seqs = rows.filter(({ canonical }) => canonical.includes('"reason_digest"')).map(({ seq }) => seq);
  if (seqs.length === 0) return new Map();
  const found = await reader.privateOf(chain, seqs);
  return new Map(found.flatMap(({ seq, values: { reason } }) => reason === undefined ? [] : [[seq, reason]]));
}

/** Reading the values of one event, which is an event itself before they leave. */
export function auditValuesRoute(environment: AdminEnvironment, reader: PrivateReader): AdminRoute {
  return reading(AUDIT_ROUTES.values, async (request) => {
    const { operator, query: { tenant, seq } } = request;
    await requireChain(environment, operator, tenant);
    const [row] = await reader.read(tenant, seq - 1, 1);
    if (row?.seq !== seq) throw unknownEvent(seq);
    const [found] = await reader.privateOf(tenant, [seq]);
    const entry = changeEntry(environment, request, {
      ...{ tenant, code: "audit.values_read", activity: 2 },
      entity: { type: "audit_values", uid: String(seq), data: { fields: Object.keys(found?.values ?? {}) } },
    });
    await environment.transact(async (tx) => void await environment.appendIn(tx, [entry]));
    return {
      ...{ tenant, seq, salt: found?.salt === undefined ? null : hex(found.salt) },
      values: found === undefined ? [] : shown(row, found),
    };
  });
}

function shown({ canonical }: AuditRow, { salt, values }: PrivateRow) {
  const event: JsonValue = JSON.parse(canonical);
  return FIELDS.flatMap((field) => {
    const value = values[field];
    if (value === undefined) return [];
    const stands = isJsonObject(event) ? memberAt(event, ...DIGESTS[field]) : undefined;
    const digest = typeof stands === "string" ? stands : null;
    const matches = salt !== undefined && digest === valueDigest(salt, value);
    return [{ field, value, digest, matches }];
  });
}

function unknownEvent(seq: number): ProblemError {
  return new ProblemError({ status: 404, code: "unknown_event", detail: `There is no event ${seq}` });
}
