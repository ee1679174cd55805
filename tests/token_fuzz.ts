/** Sends damaged tokens through the real verifier, warm and without caches: only the very originals may pass. */
import assert from "node:assert/strict";
import { createTokenVerifier, type TokenVerifier } from "../checks/token_verifier.ts";
import type { JsonObject } from "../core/json.ts";
import { attenuateToken } from "../core/token/attenuate.ts";
import type { CapabilityToken } from "../core/token/capability_token.ts";
import { importMacKey } from "../core/token/mac.ts";
import { mintToken } from "../core/token/mint.ts";
import { MAX_BLOCKS } from "../core/token/text.ts";
import { type Dice, diceOf, FORGERIES, MUTATIONS } from "./token_mutations.ts";

/** What a run came to. */
export interface FuzzResult {
  readonly mutated: number;
  /** Mutations that happened to give one of the originals, which passed. */
  readonly originals: number;
  /** How often each mutation was made. */
  readonly names: ReadonlyMap<string, number>;
}

const NO_CACHES = { perRoot: 0, total: 0 };
const REWARM_EVERY = 500;
/** Every mutation meets warm caches, every fourth also a verifier that has none: that one costs most of the time. */
const UNCACHED_EVERY = 4;

/** Runs `count` mutations; throws with the seed and the mutations when a text passes that is no original. */
export async function fuzzTokens(seed: number, count: number): Promise<FuzzResult> {
  const keys = await makeKeys();
  const originals = await makeTokens(keys);
  // A token of 16 blocks costs ten times as much to refuse: it is drawn less often.
  const texts = [...originals.keys()].flatMap((text) =>
    new Array(text.split(".").length > 8 ? 1 : 3).fill(text)
  );
  const verifiers = [
    createTokenVerifier((kid) => keys.get(kid)),
    createTokenVerifier((kid) => keys.get(kid), NO_CACHES),
  ];
  const dice = diceOf(seed);
  const names = new Map<string, number>();
  let unchanged = 0;
  for (let index = 0; index < count; index++) {
    if (index % REWARM_EVERY === 0) await expectOriginals(verifiers, originals, seed);
    const { text, made } = mutate(dice, texts);
    for (const name of made) names.set(name, (names.get(name) ?? 0) + 1);
    const original = originals.get(text);
    if (original !== undefined) unchanged++;
    for (const [which, verifier] of verifiers.entries()) {
      if (which === 1 && index % UNCACHED_EVERY !== 0) continue;
      const answer = await verifier.verify(text);
      if ((answer === undefined) === (original === undefined)) continue;
      const what = answer === undefined ? "refused an original" : "accepted a text that nobody minted";
      const caches = which === 0 ? "with caches" : "without caches";
      assert.fail(
        `Seed ${seed}, mutation ${index} (${made.join(", ")}): the verifier ${caches} ${what}: ${text}`,
      );
    }
  }
  await expectOriginals(verifiers, originals, seed);
  return { mutated: count, originals: unchanged, names };
}

/** Whatever came in between, every original still means exactly what it meant at first. */
async function expectOriginals(
  verifiers: readonly TokenVerifier[],
  originals: ReadonlyMap<string, CapabilityToken>,
  seed: number,
): Promise<void> {
  for (const [text, expected] of originals) {
    for (const verifier of verifiers) {
      const answer = await verifier.verify(text);
      assert.deepEqual(answer?.principal, expected.principal, `Seed ${seed}: the caches changed ${text}`);
      assert.deepEqual(answer?.restrictionNames, expected.restrictionNames, `Seed ${seed}: ${text}`);
    }
  }
}

/** One forgery or one mutation mostly, up to three mutations in a row sometimes. */
function mutate(dice: Dice, texts: readonly string[]): { text: string; made: string[] } {
  const isForgery = dice.roll(10) === 0;
  const rounds = !isForgery && dice.roll(4) === 0 ? 2 + dice.roll(2) : 1;
  const choices = Object.entries(isForgery ? FORGERIES : MUTATIONS);
  let text = dice.pick(texts);
  const made: string[] = [];
  for (let round = 0; round < rounds && text !== ""; round++) {
    const [name, mutation] = dice.pick(choices);
    text = mutation(dice, text, dice.pick(texts));
    made.push(name);
  }
  return { text, made };
}

async function makeKeys(): Promise<ReadonlyMap<string, CryptoKey>> {
  const entries = ["k1", "k2"].map(async (kid, index) =>
    [kid, await importMacKey(new Uint8Array(32).fill(index + 1))] as const
  );
  return new Map(await Promise.all(entries));
}

/** Families of tokens that resemble each other: parents beside children, siblings, another key, another tenant. */
async function makeTokens(keys: ReadonlyMap<string, CryptoKey>): Promise<Map<string, CapabilityToken>> {
  const mint = async (jti: number, changes: JsonObject = {}) => {
    const fields = {
      ...{
        kid: "k1",
        iss: "intentgate",
        aud: "log",
        tenant: "acme",
        sub: "agent",
        iat: 1,
        exp: 2_000_000_000,
      },
      ...{ upstreams: ["*"], tools: ["read_*", "pay"] },
      ...changes,
    };
    return (await mintToken(fields, keys.get(fields.kid)!, new Uint8Array(16).fill(jti))).token;
  };
  const first = await mint(1);
  const child = await attenuateToken(first, { tools: ["pay"], max_calls: 3 });
  const sibling = await attenuateToken(first, { tools: ["pay"], max_calls: 4 });
  const grandchild = await attenuateToken(child, { delegate: "ü💶", exp: 1_999_999_999 });
  let deep = await mint(2, { tenant: "other" });
  for (let index = 1; index < MAX_BLOCKS; index++) {
    deep = await attenuateToken(deep, { delegate: `d${index}` });
  }
  const args = { pay: { type: "object", properties: { amount: { type: "number", maximum: 5 } } } };
  const others = [await mint(1, { kid: "k2" }), await mint(3, { args, prompts: ["*"] })];
  const fresh = createTokenVerifier((kid) => keys.get(kid), NO_CACHES);
  const made = new Map<string, CapabilityToken>();
  for (const text of [first, child, sibling, grandchild, deep, await attenuateToken(first, {}), ...others]) {
    const token = await fresh.verify(text);
    assert.ok(token);
    made.set(text, token);
  }
  return made;
}
