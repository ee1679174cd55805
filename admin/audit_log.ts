/** The transparency logs behind the audit chains: checkpoint, tiles (https://c2sp.org/tlog-tiles) and proofs. */
import { parseCheckpointText } from "../audit/checkpoint.ts";
import { makeLogProof } from "../audit/log_proof.ts";
import { hex } from "../audit/digest.ts";
import { consistencyProof } from "../audit/merkle_tree.ts";
import { parseNote } from "../audit/signed_note.ts";
import { entryBundle, parseTilePath, readTile, TILE_WIDTH, tileNodes, tileWidth } from "../audit/tiles.ts";
import type { AuditLog, SignedSize } from "./audit.ts";
import { requireChain } from "./audit_access.ts";
import { GONE, NOT_IN_LOG } from "./contract/audit_words.ts";
import { AUDIT_LOG_ROUTES } from "./contract/audit_log.ts";
import type { AdminEnvironment } from "./environment.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, reading, type ServedFile, serving } from "./route.ts";

/** Tiles never change: whoever has one need not ask again, but no cache that others share may keep it. */
const FOR_EVER = { "cache-control": "private, max-age=31536000, immutable" } as const;
const ASK_AGAIN = { "cache-control": "private, no-cache" } as const;

/** Routes for auditors and their programs. What the last checkpoint does not cover does not exist here. */
export function auditLogRoutes(environment: AdminEnvironment, log: AuditLog): readonly AdminRoute[] {
  return [
    ...checkpointRoutes(environment, log),
    ...tileRoutes(environment, log),
    ...proofRoutes(environment, log),
  ];
}

function checkpointRoutes(environment: AdminEnvironment, log: AuditLog): readonly AdminRoute[] {
  return [
    reading(AUDIT_LOG_ROUTES.describe, async ({ operator, params: { chain } }) => {
      await requireChain(environment, operator, chain);
      const last = await log.reader.latestCheckpoint(chain);
      const origin = log.originOf(chain);
      return {
        ...{ tenant: chain, log_id: environment.source.logId, origin },
        keys: [...log.verifierKeys(origin)],
        checkpoint: last === undefined ? null : described(last),
      };
    }),
    serving(AUDIT_LOG_ROUTES.checkpoint, async ({ operator, params: { chain }, query }) => {
      await requireChain(environment, operator, chain);
      const { note } = await cosigned(log, chain, await signed(log, chain, query.cosigned));
      return { body: note, headers: ASK_AGAIN };
    }),
  ];
}

/** What the note itself says, which is what an auditor can check. */
function described({ note, signedAt }: SignedSize) {
  const { size, root } = parseCheckpointText(parseNote(note).text);
  return { size, root: hex(root), signed_at: Math.floor(signedAt) };
}

function tileRoutes(environment: AdminEnvironment, log: AuditLog): readonly AdminRoute[] {
  const { reader } = log;
  const place = async (chain: string, level: number, path: string) => {
    const asked = parseTilePath(path);
    const size = (await reader.latestCheckpoint(chain))?.size ?? 0;
    // Narrower ones of earlier sizes are served too.
    if (asked === undefined || asked.width > tileWidth(level, asked.index, size)) throw notInLog("tile");
    return asked;
  };
  return [
    serving(AUDIT_LOG_ROUTES.entries, async ({ operator, params: { chain, index: path } }) => {
      await requireChain(environment, operator, chain);
      const { index, width } = await place(chain, 0, path);
      const from = index * TILE_WIDTH;
      const entries = await reader.entries(chain, from, from + width);
      if (entries.length !== width) throw await gone(log, chain, from + 1) ?? notInLog("tile");
      return immutable(entryBundle(entries));
    }),
    serving(AUDIT_LOG_ROUTES.tile, async ({ operator, params: { chain, level, index: path } }) => {
      await requireChain(environment, operator, chain);
      const { index, width } = await place(chain, level, path);
      return immutable(new Uint8Array(await readTile(reader, chain, { level, index, width })));
    }),
  ];
}

function proofRoutes(environment: AdminEnvironment, log: AuditLog): readonly AdminRoute[] {
  const { reader } = log;
  return [
    serving(AUDIT_LOG_ROUTES.proof, async ({ operator, query: { tenant, seq, cosigned: witnesses } }) => {
      await requireChain(environment, operator, tenant);
      const last = await signed(log, tenant, witnesses);
      const [event] = seq > last.size ? [] : await reader.entries(tenant, seq - 1, seq);
      if (event === undefined) throw await gone(log, tenant, seq) ?? notInLog("event");
      const read = tileNodes(reader, tenant, last.size);
      const checkpoint = await cosigned(log, tenant, last);
      return { body: await makeLogProof({ event, seq, checkpoint, read }) };
    }),
    reading(AUDIT_LOG_ROUTES.consistency, async ({ operator, query: { tenant, from, to } }) => {
      await requireChain(environment, operator, tenant);
      const size = (await reader.latestCheckpoint(tenant))?.size ?? 0;
      if (from > to || to > size) throw notInLog("pair of sizes");
      const proof = await consistencyProof(from, to, tileNodes(reader, tenant, to));
      return { tenant, from, to, proof: proof.map(hex) };
    }),
  ];
}

/**
 * The last checkpoint, or the last that so many witnesses have cosigned; a chain that is younger than the first round of
 * signing gets one now.
 */
export async function signed(log: AuditLog, chain: string, witnesses: number): Promise<SignedSize> {
  if (witnesses > 0) {
    const cosigned = await log.reader.latestCosigned(chain, witnesses);
    if (cosigned === undefined) throw notInLog("checkpoint with so many cosignatures");
    return cosigned;
  }
  const first = await log.reader.latestCheckpoint(chain);
  if (first !== undefined) return first;
  await log.sign(chain);
  const second = await log.reader.latestCheckpoint(chain);
  if (second === undefined) throw notInLog("checkpoint");
  return second;
}

/** A checkpoint with what witnesses have added to it since. */
export async function cosigned<Point extends SignedSize>(
  { reader }: AuditLog,
  chain: string,
  checkpoint: Point,
): Promise<Point> {
  const lines = await reader.cosignatures(chain, checkpoint.size);
  return { ...checkpoint, note: checkpoint.note + lines.join("") };
}

function immutable(body: Uint8Array<ArrayBuffer>): ServedFile {
  return { body, headers: FOR_EVER };
}

/** Bodies that retention has taken are told apart from what never was. */
async function gone({ reader }: AuditLog, chain: string, seq: number): Promise<ProblemError | undefined> {
  const pruned = await reader.pruned(chain);
  if (pruned === undefined || seq > pruned.to) return undefined;
  const detail = `The bodies of the events up to ${pruned.to} were pruned, see event ${pruned.eventSeq}`;
  return new ProblemError({ status: 410, code: GONE.code, detail });
}

function notInLog(what: string): ProblemError {
  const detail = `There is no such ${what}, or no signed checkpoint covers it yet`;
  return new ProblemError({ status: 404, code: NOT_IN_LOG.code, detail });
}
