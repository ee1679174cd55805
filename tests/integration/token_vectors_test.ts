/** Runs tests/vectors/token.json, which an independent program made, through the real check. */
import assert from "node:assert/strict";
import { capability } from "../../checks/capability.ts";
import { createCallAttachments } from "../../core/attachments.ts";
import { encodeBase64url } from "../../core/base64url.ts";
import type { ToolCall } from "../../core/call.ts";
import type { JsonObject } from "../../core/json.ts";
import { deriveHmacKey, parseKeyRing } from "../../core/key_ring.ts";
import { attenuateToken } from "../../core/token/attenuate.ts";
import { decodeBlock } from "../../core/token/block.ts";
import { importMacKey, macBlock } from "../../core/token/mac.ts";
import { mintToken, type RootFields } from "../../core/token/mint.ts";
import { blockIdsOf, parseTokenText } from "../../core/token/text.ts";
import { UNAUTHENTICATED_CODES } from "../../core/refusal_codes.ts";

interface Context {
  readonly now: number;
  readonly audience: string;
  readonly tenants: readonly string[];
  readonly max_lifetime_seconds: number;
  readonly enforced: readonly string[];
  readonly revoked: readonly string[];
}
interface VectorCase extends Partial<Context> {
  readonly name: string;
  readonly text: string;
  readonly call: Pick<ToolCall, "upstream" | "method" | "name" | "arguments">;
  readonly expected: { readonly ok: true; readonly facts: JsonObject } | { readonly code: string };
}
interface Vectors {
  readonly key_ring: JsonObject;
  readonly defaults: Context;
  readonly chains: readonly { text: string; block_ids: string[]; tags: string[] }[];
  readonly cases: readonly VectorCase[];
}

async function readText(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, import.meta.url));
}

const VECTORS_PATH = "../vectors/token.json";

async function setUp() {
  const vectors: Vectors = JSON.parse(await readText(VECTORS_PATH));
  const ring = parseKeyRing(JSON.stringify(vectors.key_ring));
  const keys = new Map<string, CryptoKey>();
  for (const kid of ring.keys.keys()) keys.set(kid, await deriveHmacKey(ring, kid, "token"));
  return { vectors, keys };
}

function callOf(vector: VectorCase): ToolCall {
  return {
    id: "0198-vector",
    ...vector.call,
    argumentsDigest: "",
    receivedAtMs: 0,
    deadlineMs: 1,
    sourceIp: "127.0.0.1",
  };
}

function checkFor(context: Context, keys: ReadonlyMap<string, CryptoKey>) {
  const attachments = createCallAttachments();
  const { definition, principalOf } = capability({
    attachments,
    keyFor: (kid) => keys.get(kid),
    audience: () => context.audience,
    maxLifetimeSeconds: context.max_lifetime_seconds,
    nowSeconds: () => context.now,
    revocations: {
      isFresh: () => true,
      isRevoked: ({ blockIds }) => blockIds.some((id) => context.revoked.includes(id)) ? "block" : undefined,
      stoppedBy: () => undefined,
    },
    enforced: new Set(context.enforced),
    isTenant: (tenant) => context.tenants.includes(tenant),
  });
  return { attachments, definition, principalOf };
}

Deno.test("capability() answers every case of token.json as it says", async (t) => {
  const { vectors, keys } = await setUp();
  assert.ok(vectors.cases.length >= 60);
  for (const vector of vectors.cases) {
    await t.step(vector.name, async () => {
      const { attachments, definition } = checkFor({ ...vectors.defaults, ...vector }, keys);
      const check = await definition.setup({}, { name: "capability", nowMs: () => 0, log: () => {} });
      // Twice through one check: an answer from the caches must be the same answer.
      for (const round of [1, 2]) {
        const call = callOf(vector);
        attachments.attachCredential(call, vector.text === "" ? undefined : vector.text);
        const verdict = await check.run(call, {}, new AbortController().signal);
        if ("code" in vector.expected) {
          assert.equal(verdict.kind, "block", `round ${round}`);
          assert.equal(verdict.kind === "block" && verdict.code, vector.expected.code, `round ${round}`);
          continue;
        }
        assert.deepEqual(
          verdict.kind === "pass" ? verdict.facts : verdict,
          vector.expected.facts,
          `round ${round}`,
        );
      }
    });
  }
});

Deno.test("token.json holds every code of the capability check", async () => {
  const { vectors } = await setUp();
  const codes = new Set(vectors.cases.flatMap(({ expected }) => "code" in expected ? [expected.code] : []));
  assert.deepEqual(codes, new Set([...UNAUTHENTICATED_CODES, "not_available", "arguments_refused"]));
});

Deno.test("block ids and tags are the ones that the independent program computed", async () => {
  const { vectors, keys } = await setUp();
  for (const { text, block_ids, tags } of vectors.chains) {
    const { blocks, tag } = parseTokenText(text);
    assert.deepEqual(blockIdsOf(blocks), block_ids);
    let key = keys.get("k1")!;
    for (const [index, block] of blocks.entries()) {
      const computed = await macBlock(key, index, block);
      assert.equal(encodeBase64url(computed), tags[index]);
      key = await importMacKey(computed);
    }
    assert.equal(encodeBase64url(tag), tags.at(-1));
  }
});

Deno.test("mintToken() and attenuateToken() write the very bytes of the independent program", async () => {
  const { vectors, keys } = await setUp();
  const example = vectors.chains[0]!;
  const [rootText, laterText] = parseTokenText(example.text).blocks;
  const { jti, ...fields } = decodeBlock(rootText!);
  assert.equal(jti, "AAECAwQFBgcICQoLDA0ODw");
  const jtiBytes = new Uint8Array(16).map((_, index) => index);
  const minted = await mintToken(fields as unknown as RootFields, keys.get("k1")!, jtiBytes);
  assert.equal(minted.token, `ig1.${rootText}.${example.tags[0]}`);
  assert.equal(minted.rootBlockId, example.block_ids[0]);
  assert.equal(await attenuateToken(minted.token, decodeBlock(laterText!)), example.text);
});

Deno.test("docs/reference/token.md prints the bytes of the worked example", async () => {
  const { vectors } = await setUp();
  const page = await readText("../../docs/reference/token.md");
  const example = vectors.chains[0]!;
  assert.equal(vectors.cases.find(({ name }) => name === "worked example")?.text, example.text);
  for (const value of [example.text, ...example.block_ids, ...example.tags]) {
    assert.ok(page.includes(value), value);
  }
  for (const block of parseTokenText(example.text).blocks) {
    assert.ok(page.includes(JSON.stringify(decodeBlock(block))));
  }
});
