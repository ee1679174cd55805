/** A small signed log, and a place over HTTP that answers as it is told, for the tests of this folder. */
import { generateKeyPairSync, sign } from "node:crypto";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { signCheckpoint } from "../checkpoint.ts";
import { LeafRun } from "../merkle_range.ts";
import { leafHash } from "../merkle_tree.ts";
import { ed25519Signer, formatNote, formatVerifierKey, parseNote, parseVerifierKey } from "../signed_note.ts";
import type { TreeStore } from "../tiles.ts";
import type { PlacedCheckpoint } from "./place.ts";

export const ORIGIN = "gateway.example/default";

/**
 * A log of up to 255 events of which every size can be had as a checkpoint; `word` makes it another log, after as many events
 * as it has in common.
 */
export function smallLog(word = "event", key = generateKeyPairSync("ed25519").privateKey, inCommon = 0) {
  const entries = Array.from({ length: 255 }, (_, at) => `${at < inCommon ? "event" : word} ${at}`);
  const tree: TreeStore = {
    fullTile: () => Promise.resolve(undefined),
    tileRoots: () => Promise.resolve([]),
    entries: (_, from, to) => Promise.resolve(entries.slice(from, to)),
  };
  const checkpoint = (size: number): PlacedCheckpoint => {
    const run = new LeafRun(0);
    for (const entry of entries.slice(0, size)) run.push(leafHash(entry));
    const root = run.root();
    const note = signCheckpoint({ origin: ORIGIN, size, root }, [ed25519Signer(ORIGIN, key)]);
    return { chain: "default", origin: ORIGIN, size, root, note };
  };
  return { key, tree, checkpoint, verifiersOf: () => [parseVerifierKey(formatVerifierKey(ORIGIN, key))] };
}

/** A witness's key, and its cosignature lines as https://c2sp.org/tlog-cosignature has them. */
export function witnessKey(name = "witness.example/one") {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const typed = Buffer.concat([Buffer.of(0x04), raw]);
  const keyId = createHash("sha256").update(`${name}\n`).update(typed).digest("hex").slice(0, 8);
  return {
    line: `${name}+${keyId}+${typed.toString("base64")}`,
    cosign(note: string, seconds: number): string {
      const { text } = parseNote(note);
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(seconds));
      const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`), privateKey);
      const blob = new Uint8Array(Buffer.concat([time, signature]));
      return formatNote({ text, signatures: [{ name, keyId, blob }] }).slice(text.length + 1);
    },
  };
}

/** One request as a place got it. */
export interface PlaceCall {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Headers;
  readonly body: string;
}

/** Listens on this machine; disposed of with the test. */
export function placeServer(answer: (call: PlaceCall, number: number) => Response | Promise<Response>) {
  const calls: PlaceCall[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname: path, search: query } = new URL(request.url);
    const { method, headers } = request;
    const call = { method, path, query, headers, body: await request.text() };
    calls.push(call);
    return await answer(call, calls.length);
  });
  return {
    calls,
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Never aborted. */
export const SIGNAL = new AbortController().signal;
