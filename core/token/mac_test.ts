import assert from "node:assert/strict";
import fc from "fast-check";
import { attenuateToken } from "./attenuate.ts";
import { inspectToken } from "./inspect.ts";
import { importMacKey, macBlock, verifyTag } from "./mac.ts";
import { mintToken, type RootFields } from "./mint.ts";
import { blockIdsOf, MAX_BLOCKS, parseTokenText } from "./text.ts";
import { TokenError } from "./token_error.ts";

const FIELDS: RootFields = {
  kid: "k1",
  iss: "intentgate",
  aud: "log",
  tenant: "acme",
  sub: "agent",
  iat: 1000,
  exp: 2000,
  upstreams: ["*"],
  tools: ["*"],
};
const JTI = new Uint8Array(16).fill(7);

async function rootKey(fill = 1): Promise<CryptoKey> {
  return await importMacKey(new Uint8Array(32).fill(fill));
}

async function verifies(text: string, key: CryptoKey): Promise<boolean> {
  try {
    return await verifyTag(parseTokenText(text), { index: 0, key }) !== undefined;
  } catch (error) {
    if (error instanceof TokenError) return false;
    throw error;
  }
}

Deno.test("mintToken() and attenuateToken() make tokens that verify under their key only", async () => {
  const key = await rootKey();
  const { token, jti, rootBlockId, expiresAt } = await mintToken(FIELDS, key, JTI);
  const child = await attenuateToken(await attenuateToken(token, { tools: ["a"] }), { delegate: "ü<💶&" });
  for (const text of [token, child]) {
    assert.equal(await verifies(text, key), true);
    assert.equal(await verifies(text, await rootKey(2)), false);
  }
  assert.equal(jti, "BwcHBwcHBwcHBwcHBwcHBw");
  assert.equal(expiresAt, 2000);
  assert.equal(rootBlockId, blockIdsOf(parseTokenText(child).blocks)[0]);
});

Deno.test("mintToken() refuses what verification would refuse", async () => {
  const key = await rootKey();
  const bad: readonly Partial<RootFields>[] = [
    { exp: 1000 },
    { tenant: "Acme" },
    { sub: "" },
    { sub: "\ud800" },
    { risk_max: 1 },
    { usr: "x" },
    { jti: "BwcHBwcHBwcHBwcHBwcHBw" },
    { max_calls: -1 },
    { tools: ["x".repeat(1024), ...new Array(20).fill("y".repeat(1000))] },
  ];
  for (const change of bad) {
    const fields = { ...FIELDS, ...change } as RootFields;
    await assert.rejects(mintToken(fields, key, JTI), TokenError, JSON.stringify(change).slice(0, 60));
  }
  await assert.rejects(mintToken(FIELDS, key, new Uint8Array(15)), RangeError);
});

Deno.test("attenuateToken() refuses what verification would refuse", async () => {
  const { token } = await mintToken(FIELDS, await rootKey(), JTI);
  for (const block of [{ sub: "x" }, { jti: "x" }, { risk_max: 1 }, { exp: "1" }, { delegate: "" }]) {
    await assert.rejects(attenuateToken(token, block), TokenError, JSON.stringify(block));
  }
  await assert.rejects(attenuateToken(token, { methods: new Array(9).fill("m".repeat(1000)) }), TokenError);
  await assert.rejects(attenuateToken(`${token}=`, {}), TokenError);
  let deep = token;
  for (let count = 1; count < MAX_BLOCKS; count++) deep = await attenuateToken(deep, {});
  await assert.rejects(attenuateToken(deep, {}), TokenError);
});

Deno.test("verifyTag() refuses a token with any one character changed, removed, doubled or swapped", async () => {
  const key = await rootKey();
  const { token } = await mintToken(FIELDS, key, JTI);
  const child = await attenuateToken(token, { tools: ["a"] });
  const changed = fc.tuple(
    fc.nat({ max: child.length - 1 }),
    fc.constantFrom(..."ABCabc019-_.=+/ \n", "é", ""),
  ).map(([at, character]) => child.slice(0, at) + character + child.slice(at + 1));
  const doubled = fc.nat({ max: child.length - 1 }).map((at) => child.slice(0, at + 1) + child.slice(at));
  const swapped = fc.nat({ max: child.length - 2 })
    .map((at) => child.slice(0, at) + child[at + 1] + child[at] + child.slice(at + 2));
  await fc.assert(
    fc.asyncProperty(fc.oneof(changed, doubled, swapped), async (text) => {
      fc.pre(text !== child);
      assert.equal(await verifies(text, key), false);
    }),
    { numRuns: 1500 },
  );
});

Deno.test("verifyTag() refuses every one of the last character's spare bits", async () => {
  const key = await rootKey();
  const { token } = await mintToken(FIELDS, key, JTI);
  for (const character of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
    const text = token.slice(0, -1) + character;
    assert.equal(await verifies(text, key), text === token, character);
  }
});

Deno.test("verifyTag() never accepts a random string", async () => {
  const key = await rootKey();
  const part = fc.stringMatching(/^[A-Za-z0-9_-]{0,60}$/);
  const texts = fc.oneof(
    fc.string(),
    fc.tuple(fc.array(part, { maxLength: 4 }), fc.stringMatching(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/))
      .map(([blocks, tag]) => ["ig1", ...blocks, tag].join(".")),
  );
  await fc.assert(fc.asyncProperty(texts, async (text) => assert.equal(await verifies(text, key), false)));
});

Deno.test("verifyTag() continues from a known prefix to the same answer", async () => {
  const key = await rootKey();
  const { token } = await mintToken(FIELDS, key, JTI);
  const text = parseTokenText(await attenuateToken(await attenuateToken(token, {}), {}));
  const chain = await verifyTag(text, { index: 0, key });
  assert.equal(chain?.keys.length, 2);
  for (const [offset, prefixKey] of chain!.keys.entries()) {
    assert.deepEqual([prefixKey.extractable, prefixKey.usages], [false, ["sign"]]);
    assert.ok(await verifyTag(text, { index: offset + 1, key: prefixKey }));
  }
  assert.equal(await verifyTag(text, { index: 1, key: chain!.keys[1]! }), undefined);
});

Deno.test("macBlock() separates block 0 from later blocks", async () => {
  const key = await rootKey();
  assert.notDeepEqual(await macBlock(key, 0, "e30"), await macBlock(key, 1, "e30"));
});

Deno.test("inspectToken() shows the blocks and never the tag", async () => {
  const { token } = await mintToken(FIELDS, await rootKey(), JTI);
  const content = inspectToken(await attenuateToken(token, { delegate: "d" }));
  assert.deepEqual(content.blocks.map((block) => block.content.delegate), [undefined, "d"]);
  assert.ok(!JSON.stringify(content).includes(token.split(".").at(-1)!));
});
