/**
 * A witness (C2SP tlog-witness, https://c2sp.org/tlog-witness): holds every new checkpoint against the last one that it saw,
 * and cosigns it (https://c2sp.org/tlog-cosignature) only when the log has just grown.
 */
import type { WitnessPlaceConfig } from "../../core/checkpoint_places.ts";
import { encodeBase64 } from "../../core/base64.ts";
import { cosignatureTime, formatNote, NoteError, parseNote, parseWitnessKey } from "../signed_note.ts";
import type { TreeStore } from "../tiles.ts";
import {
  type CheckpointPlace,
  type Cosignature,
  type PlacedCheckpoint,
  PlaceError,
  type PushResult,
} from "./place.ts";
import { askPlace, type PlaceAnswer, refusedBy } from "./place_request.ts";
import { provenGrowth } from "./proven_growth.ts";

/** What a witness needs besides its configuration. */
export interface WitnessOptions {
  readonly tree: TreeStore;
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
}

/** A size may be wrong twice: ours at first, and another replica's push in between. */
const MAX_SIZES = 3;
/** A cosignature from later than this, by our clock, is none. */
const MAX_CLOCK_SKEW_SECONDS = 3_600;

/** Makes it; throws `NoteError` for a key that is no witness's. */
export function witnessPlace(config: WitnessPlaceConfig, options: WitnessOptions): CheckpointPlace {
  const key = parseWitnessKey(config.public_key);
  const url = `${config.url.replace(/\/+$/, "")}/add-checkpoint`;
  return {
    ...{ name: config.name, type: config.type, intervalSeconds: config.interval_seconds },
    async push(checkpoint, heldSize, signal) {
      let old = Math.min(heldSize, checkpoint.size);
      for (let asked = 0; asked < MAX_SIZES; asked++) {
        const { proof } = await provenGrowth(options.tree, checkpoint, old);
        const body = [`old ${old}`, ...proof.map(encodeBase64), "", checkpoint.note].join("\n");
        const answer = await askPlace(url, {
          ...{ method: "POST", headers: { "content-type": "text/plain; charset=utf-8" }, body, signal },
          timeoutMs: config.timeout_ms,
        });
        const result = judge(answer, checkpoint, old);
        if (result === undefined) {
          return { kind: "taken", cosignature: cosignatureIn(answer.text, checkpoint, key, options.nowMs()) };
        }
        if (typeof result !== "number") return result;
        old = result;
      }
      throw new PlaceError(`It named another size each of ${MAX_SIZES} times`);
    },
  };
}

/**
 * `undefined`: cosigned; a number: the size that the witness has; else what it holds against the log. It looks at our size
 * first, so that 422 is about the tree. Another root at the same size is 422 too since July 2026; before, and in release
 * 1.0.0, it is 409 with no body of its own.
 */
function judge(
  answer: PlaceAnswer,
  { size }: PlacedCheckpoint,
  old: number,
): PushResult | number | undefined {
  if (answer.status === 200) return undefined;
  // The proof leads from our own tree: the witness has seen another one.
  if (answer.status === 422) return { kind: "conflict", code: "forked", size: old };
  if (answer.status !== 409) throw refusedBy(answer);
  const known = sizeIn(answer);
  if (known === undefined || known === old) {
    // What it was told is its size and that of the checkpoint: nothing is left but the root.
    if (old === size) return { kind: "conflict", code: "forked", size };
    throw new PlaceError(
      known === undefined
        ? "It answered 409 without the size that it has"
        : `It has size ${known}, which is what it was told`,
    );
  }
  return known > size ? { kind: "conflict", code: "rolled_back", size: known } : known;
}

/** `undefined` when it names none. Throws `PlaceError` for what may be one: taken for none it would be a contradiction. */
function sizeIn({ headers, text }: PlaceAnswer): number | undefined {
  const type = headers.get("content-type")?.split(";")[0];
  const [, digits] = /^(0|[1-9]\d{0,15})\n$/.exec(text) ?? [];
  if (type === "text/x.tlog.size" && digits !== undefined && Number.isSafeInteger(Number(digits))) {
    return Number(digits);
  }
  if (type === "text/x.tlog.size" || /^\s*\d+\s*$/.test(text)) {
    throw new PlaceError("It answered 409 without the size that it has");
  }
  return undefined;
}

/** The witness's own line; lines of other keys are ignored, as the specification wants it. */
function cosignatureIn(
  lines: string,
  { note }: PlacedCheckpoint,
  key: ReturnType<typeof parseWitnessKey>,
  nowMs: number,
): Cosignature {
  try {
    const { text } = parseNote(note);
    const { signatures } = parseNote(`${text}\n${lines}`);
    const found = signatures.find(({ name, keyId, blob }) =>
      name === key.name && keyId === key.keyId && key.verify(text, blob)
    );
    if (found === undefined) {
      throw new PlaceError("Its answer has no cosignature of its key under this checkpoint");
    }
    const seconds = cosignatureTime(found.blob) ?? 0;
    if (seconds === 0 || seconds > nowMs / 1000 + MAX_CLOCK_SKEW_SECONDS) {
      throw new PlaceError(`Its cosignature is from ${seconds}, which is not now`);
    }
    const line = formatNote({ text, signatures: [found] }).slice(text.length + 1);
    return { witness: `${key.name}+${key.keyId}`, line };
  } catch (error) {
    if (error instanceof NoteError) throw new PlaceError(`Its answer is no cosignature: ${error.message}`);
    throw error;
  }
}
