/** The transparency logs behind the audit chains, for auditors and their programs. */
import * as z from "zod";
import { chainName, cosigned, GONE, NOT_IN_LOG, seq, sha256 } from "./audit_words.ts";
import { routeSpec } from "./route.ts";
import { seconds, UNKNOWN_TENANT } from "./words.ts";

const READ = { method: "GET", access: { role: "auditor", scope: "tenant" } } as const;
const inLog = { chain: chainName };
const indexPath = z.string().regex(
  /^(x[0-9]{3}\/){0,4}[0-9]{3}(\.p\/([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$/,
  "a tile index such as 000, x001/234 or 000.p/17",
).describe(
  "Index of the tile in groups of three digits, all but the last with an `x`; `.p/W` for a partial one.",
);
const NO_TILE = { ...NOT_IN_LOG, detail: "There is no such tile" } as const;
const TILES = "application/octet-stream";

/** One log per chain: its checkpoint, its tiles (https://c2sp.org/tlog-tiles), and proofs. */
export const AUDIT_LOG_ROUTES = {
  describe: routeSpec({
    id: "getAuditLog",
    ...{ ...READ, path: "/audit/log/{chain}" },
    summary: "Say which keys sign a log, and how far it is signed",
    params: z.strictObject(inLog),
    unknown: { ...UNKNOWN_TENANT, detail: "No chain can have such a name" },
    answer: {
      status: 200,
      description: "Keep the keys: they must not come from whoever is to be checked with them.",
      schema: z.strictObject({
        tenant: chainName,
        log_id: z.string(),
        origin: z.string().describe("First line of every checkpoint, and name of the keys."),
        keys: z.array(z.string()).describe(
          "Verifier keys (https://c2sp.org/signed-note), the active one first.",
        ),
        checkpoint: z.strictObject({ size: seq, root: sha256, signed_at: seconds }).nullable()
          .describe("The last one; null when none has been signed."),
      }),
    },
  }),
  checkpoint: routeSpec({
    id: "getAuditCheckpoint",
    ...{ ...READ, path: "/audit/log/{chain}/checkpoint" },
    summary: "Get the last signed checkpoint",
    params: z.strictObject(inLog),
    query: z.strictObject({ cosigned }),
    unknown: { ...UNKNOWN_TENANT, detail: "No chain can have such a name" },
    answer: {
      status: 200,
      description: "A signed note (https://c2sp.org/tlog-checkpoint).",
      file: "text/plain; charset=utf-8",
    },
    problems: { 404: [NOT_IN_LOG] },
  }),
  entries: routeSpec({
    id: "getAuditEntries",
    ...{ ...READ, path: "/audit/log/{chain}/tile/entries/{index}", restOfPath: "index" },
    summary: "Get up to 256 events as an entry bundle",
    params: z.strictObject({ ...inLog, index: indexPath }),
    unknown: NO_TILE,
    answer: {
      status: 200,
      description: "Every event's canonical JSON after its length, 16 bits, big-endian.",
      file: TILES,
    },
    problems: { 404: [UNKNOWN_TENANT], 410: [GONE] },
  }),
  tile: routeSpec({
    id: "getAuditTile",
    ...{ ...READ, path: "/audit/log/{chain}/tile/{level}/{index}", restOfPath: "index" },
    summary: "Get a tile of the Merkle tree",
    params: z.strictObject({ ...inLog, level: z.int().min(0).max(63), index: indexPath }),
    unknown: NO_TILE,
    answer: { status: 200, description: "Up to 256 SHA-256 hashes.", file: TILES },
    problems: { 404: [UNKNOWN_TENANT] },
  }),
  proof: routeSpec({
    id: "getAuditProof",
    ...{ ...READ, path: "/audit/proof" },
    summary: "Prove that one event stands in the log",
    query: z.strictObject({
      ...{ tenant: chainName, cosigned },
      seq: seq.min(1).describe("Its sequence number."),
    }),
    answer: {
      status: 200,
      description:
        "A tlog-proof (https://c2sp.org/tlog-proof) against the last checkpoint; `extra` is the event itself.",
      file: "text/plain; charset=utf-8",
    },
    problems: { 404: [UNKNOWN_TENANT, NOT_IN_LOG], 410: [GONE] },
  }),
  consistency: routeSpec({
    id: "getAuditConsistency",
    ...{ ...READ, path: "/audit/consistency" },
    summary: "Prove that the log of one size begins with the log of another",
    query: z.strictObject({
      tenant: chainName,
      from: seq.describe("The smaller size."),
      to: seq.describe("The larger size."),
    }),
    answer: {
      status: 200,
      description: "A proof of RFC 6962 §2.1.2.",
      schema: z.strictObject({ tenant: chainName, from: seq, to: seq, proof: z.array(sha256) }),
    },
    problems: { 404: [UNKNOWN_TENANT, NOT_IN_LOG] },
  }),
} as const;
