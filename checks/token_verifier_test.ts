import assert from "node:assert/strict";
import { encodeBase64url } from "../core/base64url.ts";
import type { JsonObject } from "../core/json.ts";
import { attenuateToken } from "../core/token/attenuate.ts";
import { encodeBlock } from "../core/token/block.ts";
import { importMacKey, macBlock } from "../core/token/mac.ts";
import { mintToken } from "../core/token/mint.ts";
import { parseTokenText } from "../core/token/text.ts";
import { createTokenVerifier } from "./token_verifier.ts";

async function setUp() {
  const keys = new Map([["k1", await importMacKey(new Uint8Array(32).fill(1))]]);
  const mint = async (jti: number, kid = "k1"): Promise<string> => {
    const fields = {
      kid,
      iss: "i",
      aud: "log",
      tenant: "acme",
      sub: "a",
      iat: 1,
      exp: 2,
      upstreams: [],
      tools: [],
    };
    return (await mintToken(fields, keys.get(kid)!, new Uint8Array(16).fill(jti))).token;
  };
  return { keys, mint, verifier: createTokenVerifier((kid) => keys.get(kid)) };
}

/** Counts HMACs while `work` runs. */
async function countMacs(work: () => unknown): Promise<number> {
  const sign = crypto.subtle.sign;
  let count = 0;
  Object.defineProperty(crypto.subtle, "sign", {
    configurable: true,
    value: (...args: Parameters<SubtleCrypto["sign"]>) => {
      count++;
      return sign.apply(crypto.subtle, args);
    },
  });
  try {
    await work();
  } finally {
    Reflect.deleteProperty(crypto.subtle, "sign");
  }
  return count;
}

async function attenuate(text: string, count: number): Promise<string> {
  for (let index = 0; index < count; index++) text = await attenuateToken(text, { delegate: `d${index}` });
  return text;
}

Deno.test("verify() computes no HMAC for a token it has verified before", async () => {
  const { mint, verifier } = await setUp();
  const text = await attenuate(await mint(1), 4);
  assert.equal(await countMacs(() => verifier.verify(text)), 5);
  assert.equal(await countMacs(() => verifier.verify(text)), 0);
});

Deno.test("verify() computes one HMAC for another child of a verified family", async () => {
  const { mint, verifier } = await setUp();
  const parent = await attenuate(await mint(1), 4);
  await verifier.verify(await attenuateToken(parent, { delegate: "first" }));
  const second = await attenuateToken(parent, { delegate: "second" });
  assert.equal(await countMacs(() => verifier.verify(second)), 1);
  assert.equal((await verifier.verify(second))?.principal.delegates.at(-1), "second");
});

Deno.test("verify() keeps nothing of a token whose tag is wrong", async () => {
  const { mint, verifier } = await setUp();
  const good = await attenuate(await mint(1), 3);
  const bad = good.slice(0, -43) + "A".repeat(43);
  for (let round = 0; round < 3; round++) {
    assert.equal(await countMacs(async () => assert.equal(await verifier.verify(bad), undefined)), 4);
  }
  assert.equal(await countMacs(() => verifier.verify(good)), 4);
  assert.equal(await verifier.verify(bad), undefined);
});

Deno.test("verify() refuses a wrong tag behind a cached prefix", async () => {
  const { mint, verifier } = await setUp();
  const parent = await attenuate(await mint(1), 2);
  assert.ok(await verifier.verify(await attenuateToken(parent, {})));
  const forged = (await attenuateToken(parent, { delegate: "x" })).slice(0, -43) + "A".repeat(43);
  assert.equal(await verifier.verify(forged), undefined);
});

Deno.test("verify() stops accepting a token at once when its key leaves the ring or changes", async () => {
  const { keys, mint, verifier } = await setUp();
  const parent = await mint(1);
  const child = await attenuate(parent, 2);
  assert.ok(await verifier.verify(child));
  keys.set("k1", await importMacKey(new Uint8Array(32).fill(2)));
  assert.equal(await verifier.verify(child), undefined);
  assert.equal(await verifier.verify(await attenuateToken(child, {})), undefined);
  keys.delete("k1");
  assert.equal(await verifier.verify(child), undefined);
});

Deno.test("verify() lets the holder of one token push out nobody else's", async () => {
  const { mint, verifier } = await setUp();
  const victims = await Promise.all([1, 2, 3].map(async (jti) => await attenuate(await mint(jti), 2)));
  for (const victim of victims) await verifier.verify(victim);
  const spammer = await mint(9);
  for (let index = 0; index < 200; index++) {
    await verifier.verify(await attenuateToken(spammer, { delegate: `spam${index}` }));
  }
  const macs = await countMacs(async () => {
    for (const victim of victims) assert.ok(await verifier.verify(victim));
  });
  assert.equal(macs, 0);
});

Deno.test("verify() keeps at most the configured number of tokens of one family", async () => {
  const { keys, mint } = await setUp();
  const verifier = createTokenVerifier((kid) => keys.get(kid), { perRoot: 2, total: 10 });
  const root = await mint(1);
  const children = await Promise.all(["a", "b", "c"].map((name) => attenuateToken(root, { delegate: name })));
  for (const child of children) await verifier.verify(child);
  assert.equal(await countMacs(() => verifier.verify(children[2]!)), 0);
  assert.equal(await countMacs(() => verifier.verify(children[0]!)), 1);
});

Deno.test("verify() answers undefined for texts that are no token", async () => {
  const { verifier } = await setUp();
  for (const text of ["", "x", "ig1.e30." + "A".repeat(43), "ig1." + "A".repeat(20_000)]) {
    assert.equal(await verifier.verify(text), undefined);
  }
});

/** Appends a block that `attenuateToken` would refuse to write, under the right tag. */
async function appendRaw(text: string, block: JsonObject): Promise<string> {
  const { blocks, tag } = parseTokenText(text);
  const added = encodeBlock(block);
  const newTag = await macBlock(await importMacKey(tag), blocks.length, added);
  return ["ig1", ...blocks, added, encodeBase64url(newTag)].join(".");
}

Deno.test("verify() reads every block again behind a cached prefix: form and restrictions", async () => {
  const { mint, verifier } = await setUp();
  const narrow = await attenuateToken(await mint(1), { tools: ["read"], max_calls: 2 });
  await verifier.verify(await attenuateToken(narrow, { delegate: "warms the prefix" }));
  const child = await attenuateToken(narrow, { deny_tools: ["x"] });
  assert.equal(await countMacs(() => verifier.verify(child)), 1, "the prefix was cached");
  const token = await verifier.verify(child);
  assert.deepEqual(token?.blocks.map(({ names }) => names.join()), [
    "exp,upstreams,tools",
    "tools,max_calls",
    "deny_tools",
  ]);
  const broken = await appendRaw(await appendRaw(await mint(2), { sub: "admin" }), {});
  for (const text of [broken, await appendRaw(broken, {}), await appendRaw(broken, { tools: "*" })]) {
    assert.match((await verifier.verify(text))?.flaw ?? "no flaw", /^Block 1: "sub" is no restriction/);
  }
  const late = await appendRaw(await attenuateToken(narrow, {}), { risk_max: 1 });
  assert.match((await verifier.verify(late))?.flaw ?? "no flaw", /^Block 3: "risk_max"/);
});

Deno.test("verify() lets random tokens, and wrong tags on tokens of others, push out nobody", async () => {
  const { mint, verifier } = await setUp();
  const victims = await Promise.all([1, 2, 3].map(async (jti) => await attenuate(await mint(jti), 2)));
  for (const victim of victims) await verifier.verify(victim);
  const randomTag = () => encodeBase64url(crypto.getRandomValues(new Uint8Array(32)));
  const bodyOf = (text: string) => text.slice(0, text.lastIndexOf("."));
  const stranger = await mint(9);
  for (let index = 0; index < 500; index++) {
    const blocks = encodeBlock({ delegate: `random${index}` });
    for (const body of [bodyOf(stranger), bodyOf(victims[index % 3]!), `ig1.${blocks}`]) {
      assert.equal(await verifier.verify(`${body}.${blocks}.${randomTag()}`), undefined);
    }
  }
  const macs = await countMacs(async () => {
    for (const victim of victims) assert.ok(await verifier.verify(victim));
  });
  assert.equal(macs, 0);
});

Deno.test("verify() keeps 16 tokens of one family by default, and forgets the least recently used of all", async () => {
  const { keys, mint, verifier } = await setUp();
  const root = await mint(1);
  const children = await Promise.all(
    Array.from({ length: 17 }, (_, index) => attenuateToken(root, { delegate: `d${index}` })),
  );
  for (const child of children) await verifier.verify(child);
  assert.equal(await countMacs(() => verifier.verify(children[0]!)), 1, "the oldest of 17 is gone");
  for (const child of children.slice(2)) assert.equal(await countMacs(() => verifier.verify(child)), 0);
  const small = createTokenVerifier((kid) => keys.get(kid), { perRoot: 16, total: 3 });
  const families = await Promise.all([1, 2, 3, 4].map((jti) => mint(jti)));
  for (const family of families) await small.verify(family);
  assert.equal(await countMacs(() => small.verify(families[3]!)), 0);
  assert.equal(await countMacs(() => small.verify(families[0]!)), 1);
});
