/** Threat: a call that happens, or is refused, without a record; a record that breaks the chain, the log or the process. */
import assert from "node:assert/strict";
import { canonicalJson } from "../../core/canonical_json.ts";
import type { JsonObject } from "../../core/json.ts";
import { createAppender } from "../../audit/appender.ts";
import { readKeyRing } from "../../commands/data_folder.ts";
import { deriveHmacKey } from "../../core/key_ring.ts";
import { decodeBlock } from "../../core/token/block.ts";
import { mintToken, type RootFields } from "../../core/token/mint.ts";
import { attenuateToken } from "../../core/token/attenuate.ts";
import { Agent, resultOf } from "../agent.ts";
import { startGateway } from "../gateway_process.ts";
import { events, eventually, verdict } from "../integration/gateways.ts";
import {
  type Answering,
  eventStream,
  resultOf as jsonRpc,
  startCarelessUpstream,
} from "./careless_upstream.ts";
import { postHead } from "./raw_http.ts";

const BREAKS_OFF: Answering = (id) => {
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"resu`));
      setTimeout(() => controller.error(new Error("broken off")), 50);
    },
  });
  return new Response(stream, { headers: { "content-type": "application/json" } });
};

Deno.test("every call leaves its record, whatever is written into it", async (t) => {
  const upstream = startCarelessUpstream({
    read: undefined,
    slow: async (id) => {
      await new Promise((resolve) => setTimeout(resolve, 400));
      return jsonRpc(id, { content: [] });
    },
    breaks_off: BREAKS_OFF,
    ends_early: () => eventStream(": nothing\n\n"),
    odd_result: (id) => jsonRpc(id, { content: [], "\0": "\ud800", _meta: { "intentgate/decision": 1 } }),
  });
  await using gateway = await startGateway({ config: { upstreams: { careless: { url: upstream.url } } } });
  const args = {
    "*": { type: "object", properties: { n: { type: "number" } }, additionalProperties: false },
  };
  const base = { tenant: "default", agent: "a", ttl_seconds: 600 };
  const free = await Agent.connect(gateway.url, "careless", (await gateway.mint(base)).token);
  const bound = await Agent.connect(gateway.url, "careless", (await gateway.mint({ ...base, args })).token);
  const decided = async () =>
    (await events(gateway, "default")).filter((event) => event.metadata.event_code === "call.decided");

  await t.step("what no event can hold is cut or replaced, and the refusal is recorded", async () => {
    const half = `${"x".repeat(99)}😀`.slice(0, 100);
    assert.throws(
      () => canonicalJson({ reason: half }),
      "half a surrogate pair makes an event that cannot be written",
    );
    const hostile: { name: string; args?: JsonObject; by?: Agent }[] = [
      { name: "read", args: { [`${"x".repeat(99)}😀`]: 1, n: 1 }, by: bound },
      { name: "read", args: { ["~/".repeat(10_000)]: 1, n: 1 }, by: bound },
      {
        name: "read",
        args: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`${i}${"ü".repeat(2_000)}`, 1])),
      },
      { name: "read", args: { n: "x".repeat(3_000_000) } },
      { name: "read", args: { constructor: 1, toString: { valueOf: 1 }, toJSON: 1, hasOwnProperty: 1 } },
      { name: `none${"😀".repeat(126)}` },
      { name: 'line\n{"level":"info","message":"forged"}\r\u2028' },
      { name: "\u202e\u0007[31m" },
      { name: "toString" },
    ];
    for (const { name, args = {}, by = free } of hostile) {
      const before = (await decided()).length;
      const answer = await by.call(name, args);
      assert.ok(
        ["ok", "not_available", "arguments_refused", "arguments_invalid"].includes(resultOf(answer)),
        answer.text.slice(0, 300),
      );
      const after = await decided();
      assert.equal(after.length, before + 1, JSON.stringify(name));
      assert.ok(JSON.stringify(after.at(-1)).length < 70_000);
    }
    assert.equal(gateway.stderr.includes('\n{"level":"info","message":"forged"}'), false);
  });
  await t.step("a token's own texts cannot spoil the record", async () => {
    const agentName = `${"𝒂".repeat(80)} "quoted" \\ </script>`;
    const { token } = await gateway.mint({ ...base, agent: agentName });
    const child = await attenuateToken(token, { delegate: "\u202e{}[],:'\"", tools: ["read"] });
    const agent = await Agent.connect(gateway.url, "careless", child);
    assert.equal(resultOf(await agent.call("read", { n: 1 })), "ok");
    assert.equal((await decided()).at(-1)?.actor.app_uid, agentName);
  });
  await t.step(
    "a client that goes away at any moment, and an upstream that does, leave one outcome each",
    async () => {
      const session = free.session ?? "";
      const path = new URL(free.url).pathname;
      const { hostname, port } = new URL(gateway.url);
      for (let round = 0; round < 24; round++) {
        const content = JSON.stringify({
          ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
          params: { name: round % 2 === 0 ? "slow" : "read", arguments: { n: 1000 + round } },
        });
        const head = postHead(
          path,
          ...["Host: 127.0.0.1", `Authorization: Bearer ${free.token}`, `Mcp-Session-Id: ${session}`],
          `Content-Length: ${content.length}`,
        );
        const connection = await Deno.connect({ hostname, port: Number(port) });
        const sent = round % 4 === 3 ? content.slice(0, -5) : content;
        await connection.write(new TextEncoder().encode(head + sent));
        await new Promise((resolve) => setTimeout(resolve, round * 4));
        connection.close();
      }
      for (const tool of ["breaks_off", "ends_early", "odd_result"]) await free.call(tool);
      await eventually(async () => {
        const chain = await events(gateway, "default");
        const allows = chain.filter((event) => event.unmapped.decision === "allow");
        const ended = chain.filter((event) => event.metadata.event_code === "call.ended");
        return allows.length === ended.length;
      }, "an outcome for every allow");
      const chain = await events(gateway, "default");
      const allows = chain.filter((event) => event.unmapped.decision === "allow");
      const ended = chain.filter((event) => event.metadata.event_code === "call.ended");
      const closed = ended.map((event) => event.metadata.correlation_uid);
      assert.equal(new Set(closed).size, closed.length, "no allow has two outcomes");
      const forwarded = ended.filter((event) => event.unmapped.outcome !== "not_forwarded");
      const done = upstream.effects.length;
      assert.ok(
        done > 5 && done <= forwarded.length,
        `${done} effects, ${forwarded.length} of ${allows.length} allows`,
      );
    },
  );
  await t.step("a token that was signed for a tenant that does not exist spoils nobody's batch", async () => {
    const batched = createAppender({
      append: (entries) =>
        entries.some(({ chain }) => chain === "ghost")
          ? Promise.reject(new Error('Unknown audit chain "ghost"'))
          : Promise.resolve(entries.map(() => ({ status: "appended", seq: 1, hash: "" }))),
    });
    const entry = (chain: string) => ({ chain, eventId: "e", canonical: "{}", conditions: [] });
    const [own, ghosts] = [batched.append(entry("default")), batched.append(entry("ghost"))];
    await assert.rejects(own.done, "an event of an unknown chain takes its batch along");
    await assert.rejects(ghosts.done);

    const ring = await readKeyRing(gateway.dataDir, undefined);
    const [, root = ""] = free.token?.split(".") ?? [];
    const { jti: _, ...fields } = decodeBlock(root);
    const ghost = await mintToken(
      { ...fields as unknown as RootFields, tenant: "ghost", tools: ["none"] },
      await deriveHmacKey(ring, ring.active, "token"),
      crypto.getRandomValues(new Uint8Array(16)),
    );
    const haunting = new Agent(free.url, ghost.token);
    const loops = Array.from({ length: 6 }, async (_, loop) => {
      for (let round = 0; round < 15; round++) {
        if (loop % 2 === 0) assert.equal(resultOf(await free.call("read", { n: 1 })), "ok");
        else assert.equal(resultOf(await haunting.call("read", { n: 1 })), "invalid_token");
      }
    });
    await Promise.all(loops);
  });
  await t.step("a flood of strangers fills its own chain only, with counts", async () => {
    const before = (await events(gateway, "default")).length;
    const stranger = new Agent(free.url, "ig1.e30.AAAA");
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "read\n" } };
    await Promise.all(Array.from({ length: 300 }, () => stranger.send(body)));
    const counted = async () =>
      (await events(gateway, "~unverified")).map((event) => event.count).reduce(
        (sum, count) => sum + count,
        0,
      );
    await eventually(async () => await counted() >= 300, "the counted refusals");
    assert.ok((await events(gateway, "~unverified")).length < 20);
    assert.equal((await events(gateway, "default")).length, before);
  });
  await t.step("the chains verify, and the process is the same", async () => {
    assert.equal(await verdict(gateway, "default"), "verified");
    assert.equal(await verdict(gateway, "~unverified"), "verified");
    assert.equal(
      (await fetch(`${gateway.url}/healthz`).then((answer) => answer.text())).includes("ok"),
      true,
    );
    assert.doesNotMatch(gateway.stderr, /Uncaught|unhandled|panicked/i);
  });
  await upstream.close();
});
