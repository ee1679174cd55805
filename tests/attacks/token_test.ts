/** Threat: a holder makes more of a token, or of a session, than it was given. */
import assert from "node:assert/strict";
import { encodeBase64url } from "../../core/base64url.ts";
import { encodeBlock } from "../../core/token/block.ts";
import { attenuateToken } from "../../core/token/attenuate.ts";
import type { JsonObject } from "../../core/json.ts";
import { importMacKey, macBlock } from "../../core/token/mac.ts";
import { parseTokenText } from "../../core/token/text.ts";
import { Agent, resultOf } from "../agent.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { events, eventually, verdict } from "../integration/gateways.ts";
import { type CarelessUpstream, startCarelessUpstream } from "./careless_upstream.ts";

const BASE = { tenant: "default", agent: "mallory", ttl_seconds: 600 };

/** What a verifier that only decodes believes: the last word of any block wins, and no tag is computed. */
function naiveClaims(token: string): JsonObject {
  const blocks = token.split(".").slice(1, -1);
  const read = (block: string): JsonObject =>
    JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(block, { alphabet: "base64url" })));
  return Object.assign({}, ...blocks.map(read));
}

/** Appends a block with a right tag and no look at what stands in it, as an attacker's own program would. */
async function appendAnything(token: string, block: JsonObject): Promise<string> {
  const { blocks, tag } = parseTokenText(token);
  const text = encodeBlock(block);
  const next = await macBlock(await importMacKey(tag), blocks.length, text);
  return `ig1.${[...blocks, text].join(".")}.${encodeBase64url(next)}`;
}

/** Replaces block 0 and keeps everything else. */
function withRoot(token: string, members: JsonObject): string {
  const [prefix, root = "", ...rest] = token.split(".");
  return [prefix, encodeBlock({ ...naiveClaims(`ig1.${root}.x`), ...members }), ...rest].join(".");
}

async function callWith(gateway: GatewayProcess, token: string, session: string | undefined, tool: string) {
  const agent = new Agent(`${gateway.url}/mcp/careless`, token);
  agent.session = session;
  return await agent.call(tool, { n: 1 });
}

Deno.test("a token, and a session, are worth what the gateway gave", async (t) => {
  const upstream = startCarelessUpstream({ read: undefined, wipe: undefined });
  await using gateway = await startGateway({
    config: { upstreams: { careless: { url: upstream.url }, twin: { url: upstream.url } } },
  });
  for (
    const [promise, attack] of Object.entries({
      "every block can only take away": attackBlocks,
      "a session serves its own principal only, and only while the token is good": attackSessions,
      "max_calls is not overrun by calls at the same time, on many sessions and through children":
        attackMaxCalls,
    })
  ) {
    upstream.effects.length = 0;
    await t.step(promise, (step) => attack(step, gateway, upstream));
  }
  await upstream.close();
});

async function attackBlocks(t: Deno.TestContext, gateway: GatewayProcess, upstream: CarelessUpstream) {
  const narrow = await gateway.mint({ ...BASE, tools: ["read"] });
  const foreign = await gateway.mint({ ...BASE, agent: "alice" });
  const { session } = await Agent.connect(gateway.url, "careless", narrow.token);
  const child = await attenuateToken(narrow.token, { tools: ["read"], max_calls: 1 });

  const wider: JsonObject[] = [
    { tools: ["*"] },
    { tools: ["wipe"], deny_tools: [] },
    { exp: 253402300799, tools: ["*"] },
    { methods: ["*"], upstreams: ["*"], tools: ["read", "wipe"] },
  ];
  for (const block of wider) {
    await t.step(`appending ${JSON.stringify(block)} opens nothing`, async () => {
      const token = await appendAnything(narrow.token, block);
      assert.notDeepEqual(naiveClaims(token).tools, ["read"], "who takes the last block's word is fooled");
      assert.equal(resultOf(await callWith(gateway, token, session, "wipe")), "not_available");
    });
  }

  const forbidden: JsonObject[] = [
    { jti: foreign.jti },
    { sub: "alice" },
    { tenant: "acme" },
    { aud: "x" },
    { kid: "other" },
    { iat: 1 },
    { usr: "root" },
    { unknown_restriction: 1 },
  ];
  for (const block of forbidden) {
    await t.step(`a later block with ${JSON.stringify(block)} refuses the token`, async () => {
      const token = await appendAnything(narrow.token, block);
      const [name, value] = Object.entries(block)[0]!;
      assert.equal(naiveClaims(token)[name], value, "who merges blocks believes it");
      const answer = await callWith(gateway, token, session, "read");
      assert.deepEqual([answer.status, resultOf(answer)], [401, "invalid_token"]);
    });
  }

  const [, root = "", tag = ""] = narrow.token.split(".");
  const [, , block1 = "", childTag = ""] = child.split(".");
  const tampered: Record<string, string> = {
    "block 0 with more tools": withRoot(narrow.token, { tools: ["*"] }),
    "block 0 with another's jti": withRoot(narrow.token, { jti: foreign.jti }),
    "block 0 of another tenant": withRoot(narrow.token, { tenant: "acme" }),
    "another token's tag": `ig1.${root}.${foreign.token.split(".")[2]}`,
    "a dropped block with the child's tag": `ig1.${root}.${childTag}`,
    "the parent's tag on the child": `ig1.${root}.${block1}.${tag}`,
    "the child's block alone": `ig1.${block1}.${childTag}`,
    "a cut tag": narrow.token.slice(0, -1),
    "padding": `${narrow.token}=`,
    "spare bits of the tag": narrow.token.slice(0, -1) + nextCharacter(narrow.token.at(-1)!),
    "another prefix": narrow.token.replace("ig1.", "IG1."),
    "an empty block": `ig1.${root}..${tag}`,
    "20,000 characters": `ig1.${"A".repeat(20_000)}.${tag}`,
  };
  for (const [what, token] of Object.entries(tampered)) {
    await t.step(`${what} is an invalid token like any other`, async () => {
      const answer = await callWith(gateway, token, session, "read");
      const nothing = await callWith(gateway, "x", session, "read");
      assert.equal(answer.status, 401);
      assert.deepEqual(withoutId(answer.message), withoutId(nothing.message));
    });
  }

  await t.step("none of this had an effect, and the honest token still works", async () => {
    assert.deepEqual(upstream.effects, []);
    assert.equal(resultOf(await callWith(gateway, narrow.token, session, "read")), "ok");
    assert.deepEqual(upstream.effects, [{ tool: "read", n: "1" }]);
  });
}

async function attackSessions(t: Deno.TestContext, gateway: GatewayProcess, upstream: CarelessUpstream) {
  const victim = await gateway.mint(BASE);
  const { session } = await Agent.connect(gateway.url, "careless", victim.token);
  const refused = async (token: string, upstreamName: string, id: string | undefined, what: string) => {
    const agent = new Agent(`${gateway.url}/mcp/${upstreamName}`, token);
    agent.session = id;
    const before = upstream.effects.length;
    const answer = await agent.call("read", { n: 1 });
    assert.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status} ${answer.text}`);
    assert.equal(upstream.effects.length, before, what);
    return answer;
  };

  await t.step("the upstream itself asks for no session: whoever reaches it is served", async () => {
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"n":1}}}';
    await (await fetch(upstream.url, { method: "POST", body })).text();
    assert.equal(upstream.effects.length, 1);
  });
  await t.step(
    "another principal cannot use it, and hears what it hears of a session that never was",
    async () => {
      const thief = await gateway.mint({ ...BASE, agent: "thief" });
      const twin = await gateway.mint(BASE);
      const stolen = await refused(thief.token, "careless", session, "another agent");
      const invented = await refused(
        thief.token,
        "careless",
        `igs1.${"A".repeat(200)}`,
        "an invented session",
      );
      assert.deepEqual([stolen.status, stolen.text], [invented.status, invented.text]);
      await refused(twin.token, "careless", session, "another grant of the same agent");
      await refused(victim.token, "twin", session, "another upstream");
      await refused(victim.token, "careless", undefined, "no session");
      for (const method of ["GET", "DELETE"]) {
        const response = await fetch(`${gateway.url}/mcp/careless`, {
          method,
          headers: {
            ...{ authorization: `Bearer ${thief.token}`, accept: "text/event-stream" },
            "mcp-session-id": session ?? "",
          },
        });
        await response.body?.cancel();
        assert.equal(response.status, 404, method);
      }
    },
  );
  await t.step("an expired token loses its open session", async () => {
    const short = await attenuateToken(victim.token, { exp: Math.floor(Date.now() / 1000) + 2 });
    assert.equal(resultOf(await callWith(gateway, short, session, "read")), "ok");
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const answer = await refused(short, "careless", session, "expired");
    assert.equal(resultOf(answer), "expired_token");
  });
  await t.step(
    "a call that waits for the upstream's tools while its token is revoked is not allowed",
    async () => {
      const late = await gateway.mint({ ...BASE, agent: "late" });
      const agent = await Agent.connect(gateway.url, "twin", late.token);
      const before = upstream.effects.length;
      upstream.listDelayMs = 1_500;
      const waiting = agent.call("read", { n: 2 });
      await new Promise((resolve) => setTimeout(resolve, 300));
      await revoke(gateway, late.jti);
      assert.equal(resultOf(await waiting), "revoked_token");
      upstream.listDelayMs = 0;
      assert.equal(upstream.effects.length, before);
    },
  );
  await t.step("a revoked token loses its open session, and its children's, within a second", async () => {
    const child = await attenuateToken(victim.token, { tools: ["read"] });
    assert.equal(resultOf(await callWith(gateway, child, session, "read")), "ok");
    await revoke(gateway, victim.jti);
    await eventually(
      async () => (await callWith(gateway, child, session, "read")).status === 401,
      "the revocation",
      1_000,
    );
    const before = upstream.effects.length;
    for (let round = 0; round < 20; round++) {
      assert.equal(resultOf(await callWith(gateway, victim.token, session, "read")), "revoked_token");
    }
    assert.equal(upstream.effects.length, before);
  });
  await t.step("the chain holds no allow after a revocation took effect, and verifies", async () => {
    const chain = await events(gateway, "default");
    const revokedAt = chain.findIndex((event) => event.metadata.event_code === "revocation.created");
    const lateAllows = chain.slice(revokedAt).filter((event) =>
      event.unmapped.decision === "allow" && event.actor.app_uid === "late"
    );
    assert.deepEqual([revokedAt > 0, lateAllows], [true, []]);
    assert.equal(await verdict(gateway, "default"), "verified");
  });
}

async function attackMaxCalls(_: Deno.TestContext, gateway: GatewayProcess, upstream: CarelessUpstream) {
  // The naive variant: read the counter, do the call, write the counter.
  let used = 0;
  let naiveEffects = 0;
  await Promise.all(Array.from({ length: 40 }, async () => {
    const seen = used;
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (seen >= 7) return;
    naiveEffects++;
    used = seen + 1;
  }));
  assert.ok(naiveEffects > 7, "a counter that is read before and written after is overrun");

  const { token } = await gateway.mint({ ...BASE, max_calls: 7 });
  const children = await Promise.all([
    ...[token, attenuateToken(token, {}), attenuateToken(token, { max_calls: 5 })],
    attenuateToken(token, { max_calls: 1_000_000 }),
  ]);
  const agents = await Promise.all(children.map((child) => Agent.connect(gateway.url, "careless", child)));
  const results = await Promise.all(
    Array.from({ length: 10 }, () => agents.map((agent) => agent.call("read", { n: 1 }).then(resultOf)))
      .flat(),
  );
  assert.equal(results.filter((result) => result === "ok").length, 7);
  assert.equal(results.filter((result) => result === "max_calls_reached").length, results.length - 7);
  assert.equal(upstream.effects.length, 7);
}

async function revoke(gateway: GatewayProcess, jti: string): Promise<void> {
  const response = await gateway.api("POST", "/api/v1/revocations", {
    ...{ tenant: "default", jti, reason: "attack test" },
  });
  assert.equal(response.status, 201);
  await response.body?.cancel();
}

/** The same six bits of payload, other spare bits: the last of 43 characters carries four bits and two spare ones. */
function nextCharacter(character: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet[alphabet.indexOf(character) ^ 1]!;
}

// deno-lint-ignore no-explicit-any
function withoutId(message: any): unknown {
  return { ...message, error: { ...message.error, data: { ...message.error.data, decision_id: "" } } };
}
