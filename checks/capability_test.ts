import assert from "node:assert/strict";
import { createCallAttachments } from "../core/attachments.ts";
import { encodeBase64url } from "../core/base64url.ts";
import type { ToolCall, ToolDefinition, Verdict } from "../core/call.ts";
import type { JsonObject } from "../core/json.ts";
import { principalOf } from "../core/principal.ts";
import { attenuateToken } from "../core/token/attenuate.ts";
import { encodeBlock } from "../core/token/block.ts";
import { importMacKey, macBlock } from "../core/token/mac.ts";
import { mintToken, type RootFields } from "../core/token/mint.ts";
import { RESTRICTIONS } from "../core/token/restrictions.ts";
import { parseTokenText } from "../core/token/text.ts";
import { capability } from "./capability.ts";
import type { RevocationSubject } from "./revocation_feed.ts";

const NOW = 1_800_000_000;
const FIELDS: RootFields = {
  kid: "k1",
  iss: "intentgate",
  aud: "log",
  tenant: "acme",
  sub: "agent",
  iat: NOW,
  exp: NOW + 3600,
  upstreams: ["acme"],
  tools: ["*"],
};

async function setUp(enforced: readonly string[] = ["max_calls"]) {
  const key = await importMacKey(new Uint8Array(32).fill(1));
  const world = {
    now: NOW,
    fresh: true,
    audience: "log",
    lookups: [] as RevocationSubject[],
    revoked: undefined as string | undefined,
    stopped: undefined as "all" | "agent" | undefined,
  };
  const attachments = createCallAttachments();
  const { definition, principalOf: verifiedPrincipal, namesExactly } = capability({
    attachments,
    keyFor: (kid) => kid === "k1" ? key : undefined,
    audience: () => world.audience,
    maxLifetimeSeconds: 86_400,
    nowSeconds: () => world.now,
    revocations: {
      isFresh: () => world.fresh,
      isRevoked: (subject) => {
        world.lookups.push(subject);
        return world.revoked;
      },
      stoppedBy: () => world.stopped,
    },
    enforced: new Set(enforced),
  });
  const check = await definition.setup({}, { name: "capability", nowMs: () => 0, log: () => {} });
  const mint = async (changes: JsonObject = {}) =>
    (await mintToken({ ...FIELDS, ...changes } as RootFields, key, new Uint8Array(16))).token;
  const present = async (credential: string | undefined, changes: Partial<ToolCall> = {}) => {
    const call: ToolCall = {
      id: "id",
      upstream: "acme",
      method: "tools/call",
      name: "pay",
      arguments: {},
      argumentsDigest: "",
      receivedAtMs: 0,
      deadlineMs: 1,
      sourceIp: "127.0.0.1",
      ...changes,
    };
    attachments.attachCredential(call, credential);
    return { call, verdict: await check.run(call, {}, new AbortController().signal) };
  };
  return { world, check, definition, verifiedPrincipal, namesExactly, mint, present };
}

function codeOf(verdict: Verdict): string {
  return verdict.kind === "block" ? verdict.code : verdict.kind;
}

function factsOf(verdict: Verdict): JsonObject {
  assert.equal(verdict.kind, "pass");
  return (verdict as { facts: JsonObject }).facts;
}

Deno.test("capability() establishes the principal", async () => {
  const { definition, mint, present, verifiedPrincipal } = await setUp();
  assert.equal(definition.establishes, "principal");
  const { call, verdict } = await present(await attenuateToken(await mint(), { delegate: "helper" }));
  const principal = principalOf({ principal: factsOf(verdict) });
  assert.deepEqual(principal, verifiedPrincipal(call));
  assert.deepEqual([principal?.agent, principal?.delegates], ["agent", ["helper"]]);
});

Deno.test("capability() gives every failure before the tag has verified the same answer", async () => {
  const { mint, present, verifiedPrincipal, world } = await setUp();
  const good = await mint();
  const texts = [
    "x",
    good + "A",
    good.slice(0, -1),
    good.replace("ig1.", "ig1.e30."),
    await mint({ aud: "b" }),
  ];
  const answers = new Set<string>();
  for (const text of texts) {
    const { call, verdict } = await present(text);
    answers.add(JSON.stringify(verdict));
    assert.equal(verifiedPrincipal(call), undefined);
  }
  assert.equal(answers.size, 1);
  assert.equal(world.lookups.length, 0);
  assert.equal(codeOf((await present(undefined)).verdict), "missing_token");
});

Deno.test("capability() evaluates time, audience, revocation and scope on cached tokens too", async () => {
  const { mint, present, verifiedPrincipal, world } = await setUp();
  const text = await mint({ nbf: NOW, tools: ["pay"], args: { pay: { type: "object", required: ["a"] } } });
  const answer = async (changes?: Partial<ToolCall>) => {
    const { call, verdict } = await present(text, { arguments: { a: 1 }, ...changes });
    return `${codeOf(verdict)} ${verifiedPrincipal(call)?.tenant}`;
  };
  assert.equal(await answer(), "pass acme");
  world.now = NOW + 3600;
  assert.equal(await answer(), "expired_token acme");
  world.now = NOW - 1;
  assert.equal(await answer(), "not_yet_valid acme");
  world.now = NOW;
  world.revoked = "agent";
  assert.equal(await answer(), "revoked_token acme");
  world.stopped = "all";
  assert.equal(await answer(), "revoked_token acme", "the token's own fault comes first");
  world.revoked = undefined;
  assert.equal(await answer(), "kill_switch_engaged acme");
  assert.equal(await answer({ name: "other" }), "kill_switch_engaged acme");
  world.stopped = undefined;
  world.audience = "restored-elsewhere";
  assert.equal(await answer(), "invalid_token undefined");
  world.audience = "log";
  assert.equal(await answer({ upstream: "other" }), "not_available acme");
  assert.equal(await answer({ name: "other" }), "not_available acme");
  assert.equal(await answer({ arguments: {} }), "arguments_refused acme");
  assert.equal(await answer(), "pass acme");
});

Deno.test("capability() asks the revocation feed on every call, with all block ids", async () => {
  const { mint, present, world } = await setUp();
  const text = await attenuateToken(await mint(), {});
  for (const method of ["tools/call", "initialize", "tools/list", "session/delete"]) {
    await present(text, { method });
  }
  assert.equal(world.lookups.length, 4);
  for (const { tenant, agent, upstream, blockIds, issuedAt } of world.lookups) {
    assert.deepEqual([tenant, agent, upstream, blockIds.length, issuedAt], ["acme", "agent", "acme", 2, NOW]);
  }
});

Deno.test("capability() throws a fault while the revocation feed is stale", async () => {
  const { mint, present, world } = await setUp();
  const text = await mint();
  assert.equal(codeOf((await present(text)).verdict), "pass");
  world.fresh = false;
  await assert.rejects(present(text), { code: "revocations_stale" });
});

Deno.test("capability() enforces the maximum lifetime and the clock lead on verification", async () => {
  const { mint, present } = await setUp();
  const code = async (changes: JsonObject) => codeOf((await present(await mint(changes))).verdict);
  assert.equal(await code({ exp: NOW + 86_400 }), "pass");
  assert.equal(await code({ exp: NOW + 86_401 }), "invalid_token");
  assert.equal(await code({ iat: NOW + 30 }), "pass");
  assert.equal(await code({ iat: NOW + 31 }), "not_yet_valid");
  const shortened = await attenuateToken(await mint({ exp: NOW + 86_401 }), { exp: NOW + 1 });
  assert.equal(codeOf((await present(shortened)).verdict), "invalid_token");
});

Deno.test("capability() refuses every restriction that no configured check enforces", async () => {
  const values: JsonObject = {
    max_calls: 5,
    rate: { calls: 1, per_seconds: 1 },
    max_cost: { amount: "1", currency: "EUR" },
    cnf: { jkt: "A".repeat(43) },
  };
  for (const [name, enforcer] of Object.entries(RESTRICTIONS)) {
    if (enforcer === "capability") continue;
    for (const enforced of [[], [name]]) {
      const { mint, present, verifiedPrincipal } = await setUp(enforced);
      for (
        const text of [
          await mint({ [name]: values[name] }),
          await attenuateToken(await mint(), { [name]: values[name] }),
        ]
      ) {
        const { call, verdict } = await present(text);
        assert.equal(codeOf(verdict), enforced.length === 0 ? "invalid_token" : "pass", name);
        assert.equal(verifiedPrincipal(call)?.tenant, "acme");
        if (enforced.length > 0) assert.ok(Array.isArray(factsOf(verdict)[name]), name);
      }
    }
  }
});

Deno.test("capability() evaluates every restriction of its own", async () => {
  const { mint, present } = await setUp();
  const refusing: Readonly<Record<string, [JsonObject, Partial<ToolCall>]>> = {
    exp: [{ exp: NOW }, {}],
    nbf: [{ nbf: NOW + 1 }, {}],
    upstreams: [{ upstreams: ["other"] }, {}],
    methods: [{ methods: ["tools/list"] }, {}],
    tools: [{ tools: ["other"] }, {}],
    deny_tools: [{ deny_tools: ["pay"] }, {}],
    prompts: [{ prompts: ["other"] }, { method: "prompts/get" }],
    resources: [{ resources: ["other"] }, { method: "resources/read" }],
    args: [{ args: { "*": { type: "object", required: ["a"] } } }, {}],
  };
  const own = Object.entries(RESTRICTIONS).filter(([, enforcer]) => enforcer === "capability");
  assert.deepEqual(Object.keys(refusing).sort(), own.map(([name]) => name).sort());
  const root = await mint({ prompts: ["*"], resources: ["**"] });
  for (const [name, [block, changes]] of Object.entries(refusing)) {
    assert.equal(codeOf((await present(root, changes)).verdict), "pass", name);
    const child = await attenuateToken(root, block);
    assert.equal((await present(child, changes)).verdict.kind, "block", name);
  }
});

Deno.test("capability() names who is to blame for a malformed later block", async () => {
  const { mint, present, verifiedPrincipal } = await setUp();
  const { blocks, tag } = parseTokenText(await mint());
  const added = encodeBlock({ sub: "admin" });
  const newTag = encodeBase64url(await macBlock(await importMacKey(tag), 1, added));
  const { call, verdict } = await present(`ig1.${blocks[0]}.${added}.${newTag}`);
  assert.deepEqual(verdict, {
    kind: "block",
    code: "invalid_token",
    reason: 'Block 1: "sub" is no restriction that this version knows',
  });
  assert.equal(verifiedPrincipal(call)?.agent, "agent");
});

Deno.test("capability() checks everything but tool and arguments for discovery", async () => {
  const { mint, present, world } = await setUp();
  const text = await mint({ tools: [], args: { "*": { type: "object", required: ["a"] } } });
  const methods = ["initialize", "ping", "tools/list", "notifications/initialized", "session/get"];
  for (const method of methods) {
    const { verdict } = await present(text, { method, name: "" });
    assert.equal(factsOf(verdict).named_exactly, undefined);
    assert.equal(
      codeOf((await present(text, { method, upstream: "other", name: "" })).verdict),
      "not_available",
    );
  }
  world.now = NOW + 3600;
  for (const method of methods) {
    assert.equal(codeOf((await present(text, { method, name: "" })).verdict), "expired_token");
  }
});

Deno.test("lists() answers by the token behind the very facts that run() returned", async () => {
  const { check, mint, present } = await setUp();
  const text = await attenuateToken(await mint({ deny_tools: ["delete_*"] }), {
    tools: ["read", "delete_x"],
  });
  const { verdict } = await present(text, { method: "tools/list", name: "" });
  const facts = factsOf(verdict);
  const tool = (name: string, upstream = "acme"): ToolDefinition => ({
    upstream,
    name,
    inputSchema: {},
    annotations: {},
  });
  const tools = [tool("read"), tool("write"), tool("delete_x"), tool("read", "other")];
  const signal = new AbortController().signal;
  assert.deepEqual(await check.lists!(tools, { principal: facts }, signal), [true, false, false, false]);
  assert.deepEqual(await check.lists!(tools, { capability: facts }, signal), [true, false, false, false]);
  const nothing = [false, false, false, false];
  assert.deepEqual(await check.lists!(tools, { principal: { ...facts } }, signal), nothing);
  assert.deepEqual(await check.lists!(tools, {}, signal), nothing);
});

Deno.test("namesExactly() answers by block 0 of the token behind the very facts that run() returned", async () => {
  const { mint, present, namesExactly } = await setUp();
  const tool = (name: string): ToolDefinition => ({
    upstream: "acme",
    name,
    inputSchema: {},
    annotations: {},
  });
  const { verdict } = await present(await mint({ tools: ["pay", "read_*"] }), {
    method: "tools/list",
    name: "",
  });
  const facts = { capability: verdict.kind === "pass" ? verdict.facts ?? {} : assert.fail() };
  assert.deepEqual(["pay", "read_x"].map((name) => namesExactly(tool(name), facts)), [true, false]);
  assert.equal(namesExactly(tool("pay"), { capability: { ...facts.capability } }), undefined);
  assert.equal(namesExactly(tool("pay"), {}), undefined);
});
