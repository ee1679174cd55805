/** Fills a chain with very many honest events that verify: hash chain, tree, signed checkpoints and open decisions. */
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import type { Writable } from "node:stream";
import postgres from "postgres";
import { signCheckpoint } from "../audit/checkpoint.ts";
import { genesisHash, hex, nextHash } from "../audit/digest.ts";
import { LeafRun } from "../audit/merkle_range.ts";
import { leafHash } from "../audit/merkle_tree.ts";
import {
  ed25519Signer,
  formatVerifierKey,
  type NoteVerifier,
  parseVerifierKey,
} from "../audit/signed_note.ts";
import { type FullTile, TileBuilder, type TreeStore } from "../audit/tiles.ts";
import { createAuditTree } from "../store/audit_tree.ts";
import type { Database } from "../store/database.ts";
import { decisionSample, type Hole, HOLES, MANY, outcomeSample, partsOf } from "./many_events.ts";

/** What verifies the chain. */
export interface WholeChain {
  readonly origin: string;
  readonly keys: readonly NoteVerifier[];
  readonly keyLine: string;
  /** The checkpoints, oldest first. */
  readonly notes: readonly { readonly size: number; readonly note: string }[];
}

const CHAIN = "default";
const ORIGIN = "whole.example/default";
/** Calls that are under way at once: an outcome comes so many decisions after its allow. */
const UNDER_WAY = 16;
const CHECKPOINT_EVERY = 20_000;
const ROWS_AT_ONCE = 1_000;

/**
 * Makes `events` events of the chain `default`, which must still be empty: of ten decisions one is a block, of twenty one
 * an escalation. `superuserUrl`: COPY is not for roles that row-level security holds for.
 */
export async function makeWholeChain(
  { superuserUrl, owner, logId, events }: {
    readonly superuserUrl: string;
    readonly owner: Database;
    readonly logId: string;
    readonly events: number;
  },
): Promise<WholeChain> {
  const key = generateKeyPairSync("ed25519").privateKey;
  const sql = postgres(superuserUrl, { max: 1 });
  const tree = createAuditTree(owner);
  const builder = await TileBuilder.resume({} as TreeStore, CHAIN, 0);
  const run = new LeafRun(0);
  const tiles: FullTile[] = [];
  const notes: { size: number; note: string }[] = [];
  let hash = genesisHash(logId, CHAIN);
  const addCheckpoint = async () => {
    await tree.addTiles(CHAIN, tiles.splice(0));
    const [size, root] = [run.end, run.root()];
    const note = signCheckpoint({ origin: ORIGIN, size, root }, [ed25519Signer(ORIGIN, key)]);
    await tree.addCheckpoint(CHAIN, { baseSize: notes.at(-1)?.size ?? 0, size, root, note });
    notes.push({ size, note });
  };
  try {
    const copy = await sql`COPY audit_events (chain, seq, event_id, event, hash) FROM STDIN`.writable();
    let lines = "";
    for (const { id, text } of honestTexts(logId, events)) {
      hash = nextHash(hash, text);
      const leaf = leafHash(text);
      run.push(leaf);
      tiles.push(...builder.push(leaf));
      lines += `${CHAIN}\t${run.end}\t${id}\t${text.replaceAll("\\", "\\\\")}\t\\\\x${hex(hash)}\n`;
      if (run.end % ROWS_AT_ONCE === 0) {
        await write(copy, lines);
        lines = "";
      }
      if (run.end % CHECKPOINT_EVERY === 0) await addCheckpoint();
    }
    await write(copy, lines);
    await new Promise<void>((resolve, reject) => {
      copy.on("error", reject);
      copy.end(() => resolve());
    });
    if (notes.at(-1)?.size !== events) await addCheckpoint();
    await sql`UPDATE audit_heads SET seq = ${events}, hash = ${Buffer.from(hash)} WHERE chain = ${CHAIN}`;
    await sql.unsafe("ANALYZE audit_events");
  } finally {
    await sql.end();
  }
  const keyLine = formatVerifierKey(ORIGIN, key);
  return { origin: ORIGIN, keys: [parseVerifierKey(keyLine)], keyLine, notes };
}

/** Honest events; the outcomes of all allows stand among them. */
export function* honestTexts(
  logId: string,
  events: number,
): Generator<{ readonly id: string; readonly text: string }> {
  const parts = {
    ...{ allow: partsOf(decisionSample("allow", logId)), block: partsOf(decisionSample("block", logId)) },
    ...{ escalate: partsOf(decisionSample("escalate", logId)), ended: partsOf(outcomeSample(logId)) },
  };
  const open: number[] = [];
  for (let made = 0, call = 0; made < events; made++) {
    const isLast = open.length >= events - made;
    const ends = open.length > UNDER_WAY || isLast ? open.shift() : undefined;
    const k = ends ?? call++;
    const answer = k % 20 === 7 ? "escalate" : k % 10 === 3 || isLast ? "block" : "allow";
    // The last event of all cannot be an allow: its outcome would have no room.
    const isAllow = ends === undefined && answer === "allow" && open.length + 2 <= events - made;
    if (isAllow) open.push(k);
    const of = ends !== undefined
      ? parts.ended
      : isAllow
      ? parts.allow
      : parts[answer === "allow" ? "block" : answer];
    const values = valuesOf(k, made);
    const text = of.map((part) =>
      part === "time"
        ? MANY.startMs + MANY.stepMs * made
        : typeof part === "string"
        ? values[part]
        : part.text
    ).join("");
    yield { id: values.event_id, text };
  }
}

function valuesOf(k: number, made: number): Readonly<Record<Hole, string>> {
  const id = (kind: string, number: number) =>
    `01900000-${kind}-7000-8000-${number.toString(16).padStart(12, "0")}`;
  return {
    agent: `agent-${k % MANY.agents}`,
    tool: `tool_${Math.floor(k / 7) % MANY.tools}`,
    upstream: `upstream-${Math.floor(k / 3) % MANY.upstreams}`,
    block: (k % MANY.agents).toString(16).padStart(64, "0"),
    decision_id: id("0001", k),
    event_id: id("0002", made),
  };
}

async function write(to: Writable, lines: string): Promise<void> {
  if (!to.write(lines)) await once(to, "drain");
}
