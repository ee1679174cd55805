/** The test vector in docs/reference/audit.md is what this program computes, and what it accepts. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPrivateKey } from "node:crypto";
import { openCheckpoint, originOf, signCheckpoint } from "./checkpoint.ts";
import { genesisHash, hex, nextHash } from "./digest.ts";
import { LeafRun } from "./merkle_range.ts";
import {
  consistencyProof,
  type Hash,
  inclusionProof,
  leafHash,
  nodeHash,
  type NodeReader,
  rootOfInclusion,
  verifyConsistency,
} from "./merkle_tree.ts";
import { ed25519Signer, formatVerifierKey, parseVerifierKey } from "./signed_note.ts";

const PAGE = new URL("../docs/reference/audit.md", import.meta.url);
const LOG_ID = "0123456789abcdef0123456789abcdef";
const ORIGIN = originOf("gateway.example", "acme");
/** PKCS #8 of an Ed25519 key, RFC 8410 §7, before its seed. */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const KEY = createPrivateKey({
  ...{ key: Buffer.concat([PKCS8, Buffer.alloc(32, 7)]), format: "der", type: "pkcs8" },
});

/** The three blocks below "Check your implementation". */
async function blocks() {
  const [, section] = (await Deno.readTextFile(PAGE)).split("### Check your implementation\n");
  const [table, key, note] = [...(section ?? "").matchAll(/```text\n(.*?)```/gs)].map(([, text]) => text!);
  return { table: table!, key: key!.trim(), note: note! };
}

Deno.test("the log in the reference page has these hashes, roots and proofs", async () => {
  const { table } = await blocks();
  const said = new Map(table.trim().split("\n").map((line) => line.split(/ {2,}/) as [string, string]));
  const texts = [1, 2, 3].map((n) => said.get(`event(${n})`)!);
  assert.deepEqual(texts, ['{"n":1}', '{"n":2}', '{"n":3}']);
  let hash = genesisHash(LOG_ID, "acme");
  assert.equal(hex(hash), said.get("hash(0)"));
  for (const text of texts) hash = nextHash(hash, text);
  assert.equal(hex(hash), said.get("hash(3)"));
  const leaves = texts.map(leafHash);
  const pair = nodeHash(leaves[0]!, leaves[1]!);
  const run = new LeafRun(0);
  for (const leaf of leaves) run.push(leaf);
  assert.deepEqual(leaves.map(hex), [0, 1, 2].map((index) => said.get(`leaf(${index})`)));
  assert.equal(hex(pair), said.get("node over leaf(0), leaf(1)"));
  assert.equal(hex(run.root()), said.get("root of size 3"));
  const read: NodeReader = (level, index) => level === 1 ? pair : leaves[index]!;
  const proof = (name: string): Hash[] =>
    said.get(name)!.split(", ").map((leaf) => Uint8Array.fromHex(said.get(leaf)!));
  const inclusion = proof("inclusion of event(2) in 3");
  assert.deepEqual((await inclusionProof(1, 3, read)).map(hex), inclusion.map(hex));
  assert.equal(hex(rootOfInclusion(leaves[1]!, 1, 3, inclusion)!), hex(run.root()));
  for (const [size, root] of [[1, leaves[0]!], [2, pair]] as const) {
    const consistency = proof(`consistency of ${size} and 3`);
    assert.deepEqual((await consistencyProof(size, 3, read)).map(hex), consistency.map(hex));
    assert.ok(verifyConsistency({ size, root }, { size: 3, root: run.root() }, consistency));
  }
});

Deno.test("the checkpoint in the reference page is signed by the key there, and is what that key signs", async () => {
  const { table, key, note } = await blocks();
  assert.equal(formatVerifierKey(ORIGIN, KEY), key);
  const { checkpoint } = openCheckpoint(note, { origin: ORIGIN, keys: [parseVerifierKey(key)] });
  assert.equal(checkpoint.size, 3);
  assert.ok(table.includes(hex(checkpoint.root)));
  assert.equal(signCheckpoint(checkpoint, [ed25519Signer(ORIGIN, KEY)]), note);
});
