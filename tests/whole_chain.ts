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
import { decisionSample, type Hole, MANY, outcomeSample, partsOf } from "./many_events.ts";

/** What verifies the chain. */
export interface WholeChain {
  readonly origin: string;
  readonly keys: readonly NoteVerifier[];
  /** The checkpoints, oldest first. */
  readonly notes: readonly { readonly size: number; readonly note: string }[];
}

/** One event on its way into a chain. */
export interface EventText {
  readonly eventId: string;
  readonly decisionId: string;
  readonly text: string;
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
  const sql = postgres(superuserUrl, { max: 2 });
  const tree = createAuditTree(owner);
  const builder = await TileBuilder.resume({} as TreeStore, CHAIN, 0);
  const run = new LeafRun(0);
  const tiles: FullTile[] = [];
  const notes: { size: number; note: string }[] = [];
  let hash = genesisHash(logId, CHAIN);
  const addCheckpoint = async () => {
    // A chain has no tiles of events that it does not have.
    await sql`UPDATE audit_heads SET seq = ${run.end}, hash = ${Buffer.from(hash)} WHERE chain = ${CHAIN}`;
    await tree.addTiles(CHAIN, tiles.splice(0));
    const [size, root] = [run.end, run.root()];
    const note = signCheckpoint({ origin: ORIGIN, size, root }, [ed25519Signer(ORIGIN, key)]);
    await tree.addCheckpoint(CHAIN, { baseSize: notes.at(-1)?.size ?? 0, size, root, note });
    notes.push({ size, note });
  };
  try {
    const copy = await sql`COPY audit_events (chain, seq, event_id, event, hash) FROM STDIN`.writable();
    let lines = "";
    for (const { eventId, text } of honestTexts(logId, events)) {
      hash = nextHash(hash, text);
      const leaf = leafHash(text);
      run.push(leaf);
      tiles.push(...builder.push(leaf));
      lines += `${CHAIN}\t${run.end}\t${eventId}\t${text.replaceAll("\\", "\\\\")}\t\\\\x${hex(hash)}\n`;
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
    await sql.unsafe("ANALYZE audit_events");
  } finally {
    await sql.end();
  }
  return { origin: ORIGIN, keys: [parseVerifierKey(formatVerifierKey(ORIGIN, key))], notes };
}

/** Honest events; the outcomes of all allows stand among them. */
export function* honestTexts(logId: string, events: number): Generator<EventText> {
  const textOf = eventTexts(logId);
  const open: number[] = [];
  for (let made = 0, call = 0; made < events; made++) {
    const room = events - made - open.length;
    if (open.length > UNDER_WAY || room <= 0) {
      yield textOf("ended", open.shift() ?? 0, made);
      continue;
    }
    const k = call++;
    const answer = k % 20 === 7 ? "escalate" : k % 10 === 3 || room < 2 ? "block" : "allow";
    if (answer === "allow") open.push(k);
    yield textOf(answer, k, made);
  }
}

/** Makes the event of call `k` that is number `made` of all. */
export function eventTexts(logId: string) {
  const parts = {
    ...{ allow: partsOf(decisionSample("allow", logId)), block: partsOf(decisionSample("block", logId)) },
    ...{ escalate: partsOf(decisionSample("escalate", logId)), ended: partsOf(outcomeSample(logId)) },
  };
  return (kind: keyof typeof parts, k: number, made: number): EventText => {
    const values = valuesOf(k, made);
    const text = parts[kind].map((part) => {
      if (part === "time") return MANY.startMs + MANY.stepMs * made;
      return typeof part === "string" ? values[part] : part.text;
    }).join("");
    return { eventId: values.event_id, decisionId: values.decision_id, text };
  };
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
