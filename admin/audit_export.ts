/** The audit record as files: exports that prove what they hold, and tables that prove nothing. */
import { isOfLog } from "../audit/checkpoint.ts";
import { genesisHash, hex } from "../audit/digest.ts";
import type { EventTerms } from "../audit/event_terms.ts";
import { eventFilter } from "../audit/export/event_filter.ts";
import { eventPages } from "../audit/export/event_pages.ts";
import { TABLE_HEADER, tableLines } from "../audit/export/event_table.ts";
import { exportArchive, ExportError, type ExportFilter } from "../audit/export/export_archive.ts";
import type { PrunedBeginning } from "../audit/export/pruned_part.ts";
import { PrunedBreak, readPruneRecord } from "../audit/pruned_walk.ts";
import type { Operator } from "../core/operator.ts";
import type { AuditLog, SignedSize } from "./audit.ts";
import { requireChain } from "./audit_access.ts";
import { cosigned } from "./audit_log.ts";
import { AUDIT_EXPORT_ROUTES } from "./contract/audit_export.ts";
import { type AdminEnvironment, type AdminVariables, changeEntry } from "./environment.ts";
import type { ExportSlots } from "./export_slots.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, type ServedFile, serving } from "./route.ts";

interface Asked extends EventTerms {
  readonly tenant: string;
  readonly first?: number | undefined;
  readonly last?: number | undefined;
  readonly size?: number | undefined;
  readonly since_size?: number | undefined;
  readonly resume_after?: number | undefined;
  readonly cosigned?: number;
}

/** Export and table. Each is an audited event before its first byte leaves. */
export function auditExportRoutes(
  environment: AdminEnvironment,
  log: AuditLog,
  slots: ExportSlots,
): readonly AdminRoute[] {
  return [
    serving(AUDIT_EXPORT_ROUTES.archive, async (request, isHead) => {
      const { operator, query } = request;
      await requireChain(environment, operator, query.tenant);
      const headers = nameOf(`${query.tenant}.tar`);
      if (isHead) return { body: "", headers };
      const parts = await archiveOf(environment, log, query);
      return await stream(environment, slots, request, { ...parts, headers, format: "archive" });
    }),
    serving(AUDIT_EXPORT_ROUTES.table, async (request, isHead) => {
      const { operator, query } = request;
      await requireChain(environment, operator, query.tenant);
      const headers = nameOf(`${query.tenant}_not_evidence.csv`);
      if (isHead) return { body: "", headers };
      const head = await log.reader.head(query.tenant);
      const range = rangeOf(query, head?.seq ?? 0);
      const chunks = tableOf(log, query.tenant, range, eventFilter(query));
      return await stream(environment, slots, request, { range, chunks, headers, format: "table" });
    }),
  ];
}

interface Parts {
  readonly range: { readonly first: number; readonly last: number; readonly size?: number };
  readonly chunks: AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** Takes a slot, finds out whether the first chunk can be made, records the export, and hands out the rest. */
async function stream(
  environment: AdminEnvironment,
  slots: ExportSlots,
  request: AdminVariables["Variables"] & { readonly query: Asked },
  { range, chunks, headers, format }: Parts & Pick<ServedFile, "headers"> & { readonly format: string },
): Promise<ServedFile> {
  const slot = takeSlot(slots, request);
  try {
    const first = await chunks.next();
    await recordExport(environment, request, { format, ...range });
    return { body: slot.stream(first, chunks), ...(headers === undefined ? {} : { headers }) };
  } catch (error) {
    slot.release();
    throw error instanceof ExportError ? unusable(error.message) : error;
  }
}

function takeSlot(
  slots: ExportSlots,
  { operator: { id }, query: { tenant } }: { readonly operator: Operator; readonly query: Asked },
) {
  const slot = slots.take(id, tenant);
  if (slot !== undefined) return slot;
  throw new ProblemError({
    ...{ status: 429, code: "too_many_exports", retryAfterSeconds: 10 },
    detail: `Too many exports are under way, of operator "${id}", of "${tenant}" or of all together`,
  });
}

async function recordExport(
  environment: AdminEnvironment,
  request: AdminVariables["Variables"] & { readonly query: Asked },
  what: { readonly format: string; readonly first: number; readonly last: number; readonly size?: number },
): Promise<void> {
  const { tenant, resume_after, since_size, ...query } = request.query;
  const filter = eventFilter(query)?.terms;
  const data = {
    ...what,
    ...(resume_after === undefined ? {} : { resume_after }),
    ...(since_size === undefined ? {} : { since_size }),
    ...(filter === undefined ? {} : { filter }),
  };
  const entry = changeEntry(environment, request, {
    ...{ tenant, code: "audit.exported", activity: 2, entity: { type: "audit_export", uid: tenant, data } },
  });
  await environment.transact(async (tx) => void await environment.appendIn(tx, [entry]));
}

async function archiveOf(environment: AdminEnvironment, log: AuditLog, asked: Asked): Promise<Parts> {
  const { tenant: chain, since_size: sinceSize, resume_after: resumeAfter } = asked;
  const { reader } = log;
  const last = await checkpointOf(log, asked);
  const checkpoint = await cosigned(log, chain, last);
  const range = { ...rangeOf(asked, checkpoint.size), size: checkpoint.size };
  const origin = log.originOf(chain);
  const { logId, version } = environment.source;
  const pruned = await prunedOf(environment, log, chain);
  const hashAt = async (_: string, seq: number) => {
    if (seq === pruned?.to) return pruned.chainHash;
    if (seq === 0) return hex(genesisHash(logId, chain));
    const [row] = await reader.read(chain, seq - 1, 1);
    if (row?.seq !== seq) throw new ExportError(`Expected event ${seq}, found none`);
    return row.hash;
  };
  const chunks = exportArchive({ ...reader, hashAt }, {
    ...{ chain, origin, logId, first: range.first, last: range.last, checkpoint, sinceSize, resumeAfter },
    ...{ filter: eventFilter(asked), keys: log.verifierKeys(origin), witnessKeys: log.witnessKeys() },
    generator: `IntentGate ${version}`,
    pruned,
  });
  return { range, chunks };
}

/** The beginning whose bodies may be gone, with the events that account for it. */
async function prunedOf(
  { source: { logId } }: AdminEnvironment,
  { reader }: AuditLog,
  chain: string,
): Promise<PrunedBeginning & { readonly chainHash: string } | undefined> {
  const pruned = await reader.pruned(chain);
  if (pruned === undefined) return undefined;
  const at = async (seq: number) => ({
    ...{ seq, canonical: (await reader.entries(chain, seq - 1, seq))[0] ?? "" },
  });
  try {
    const { to, chainHash } = await readPruneRecord(reader, pruned, { chain, log_id: logId });
    return { to, chainHash, request: await at(pruned.requestSeq), event: await at(pruned.eventSeq) };
  } catch (error) {
    if (error instanceof PrunedBreak) throw unusable(`${error.at.found}; expected ${error.at.expected}`);
    throw error;
  }
}

/** The checkpoint that an export is held against: one of the name that the export gives the log. */
async function checkpointOf(log: AuditLog, asked: Asked): Promise<SignedSize> {
  const [found, origin] = [await storedCheckpoint(log, asked), log.originOf(asked.tenant)];
  if (isOfLog(found.note, origin)) return found;
  throw unusable(
    `The checkpoint of size ${found.size} is one of a name that the log had before, not of "${origin}": ` +
      "wait until a newer one is signed",
  );
}

async function storedCheckpoint(
  { reader, sign }: AuditLog,
  { tenant: chain, size, cosigned = 0 }: Asked,
): Promise<SignedSize> {
  if (size === undefined && cosigned > 0) {
    const last = await reader.latestCosigned(chain, cosigned);
    if (last === undefined) throw unusable(`There is no checkpoint with ${cosigned} cosignatures`);
    return last;
  }
  if (size === undefined) await sign(chain); // so that it covers what has just happened
  const last = await reader.checkpointUpTo(chain, size ?? Number.MAX_SAFE_INTEGER);
  if (last !== undefined && (size === undefined || last.size === size)) return last;
  throw unusable(
    size === undefined ? "Nothing has been signed yet" : `There is no checkpoint of size ${size}`,
  );
}

async function* tableOf(
  { reader }: AuditLog,
  chain: string,
  range: Parts["range"],
  filter: ExportFilter | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  yield encoder.encode(TABLE_HEADER);
  // Also a page of which nothing fits: whoever waits for nothing can then be ended.
  for await (const rows of eventPages(reader, chain, range)) yield encoder.encode(tableLines(rows, filter));
}

/** An empty chain has no range. */
function rangeOf(
  { first = 1, last }: Asked,
  size: number,
): { readonly first: number; readonly last: number } {
  const end = last ?? size;
  if (first <= end && end <= size) return { first, last: end };
  throw unusable(`Expected events between 1 and ${size}, got ${first} to ${end}`);
}

function unusable(detail: string): ProblemError {
  return new ProblemError({ status: 422, code: "unusable_range", detail });
}

function nameOf(file: string): Readonly<Record<string, string>> {
  return { "content-disposition": `attachment; filename="audit_${file.replace("~", "")}"` };
}
