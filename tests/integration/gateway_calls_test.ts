import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { test } = createDatabaseTests();

test("a call is allowed, escalated, refused and recorded as the token and the policy say", async (fixture) => {
  await using gateway = await start(fixture);
  const base = { tenant: "acme", agent: "a", ttl_seconds: 600 };
  const reader = await gateway.mint({ ...base, tools: ["read_*", "list_*"] });
  const any = await gateway.mint(base);
  const payer = await gateway.mint({ ...base, tools: ["pay_invoice", "read_invoice"] });
  const readAgent = await Agent.connect(gateway.url, "acme", reader.token);
  assert.deepEqual((await readAgent.list()).every((name) => /^(read|list)_/.test(name)), true);
  const allowed = await readAgent.call("read_invoice", { invoice_id: "INV-1001" });
  assert.equal(resultOf(allowed), "ok");
  const { decision_id } = allowed.message.result._meta["intentgate/decision"];
  assert.match(decision_id, /^[0-9a-f-]{36}$/);
  const hidden = await readAgent.call("pay_invoice", { invoice_id: "INV-1001", amount_cents: 12_500 });
  const missing = await readAgent.call("no_such_tool");
  assert.equal(resultOf(hidden), "not_available");
  assert.deepEqual({ ...missing.message.error.data, decision_id: "" }, {
    ...hidden.message.error.data,
    decision_id: "",
  });
  assert.equal(hidden.message.error.code, -31010);

  const anyAgent = await Agent.connect(gateway.url, "acme", any.token);
  const escalated = await anyAgent.call("pay_invoice", { invoice_id: "INV-1001", amount_cents: 12_500 });
  assert.deepEqual([escalated.message.error.code, resultOf(escalated)], [-31012, "approval_required"]);
  assert.equal(resultOf(await anyAgent.call("read_invoice", { invoice_id: "INV-1001" })), "ok");
  const payAgent = await Agent.connect(gateway.url, "acme", payer.token);
  const payment = { invoice_id: "INV-1001", amount_cents: 12_500 };
  assert.equal(resultOf(await payAgent.call("pay_invoice", payment)), "ok");
  assert.equal(resultOf(await payAgent.call("pay_invoice", payment)), "tool_error");

  const decided = () =>
    events(gateway, "acme").then((all) =>
      all.filter((event) => event.metadata.event_code === "call.decided")
    );
  assert.deepEqual((await decided()).map((event) => event.unmapped.decision), [
    ...["allow", "block", "block", "escalate", "allow", "allow", "allow"],
  ]);
  const ended = async () =>
    (await events(gateway, "acme")).filter((event) => event.metadata.event_code === "call.ended");
  await eventually(async () => (await ended()).length === 4, "the last outcome");
  assert.deepEqual((await ended()).map((event) => event.unmapped.outcome), [
    ...["ok", "ok", "ok", "tool_error"],
  ]);
  assert.equal(JSON.stringify(await events(gateway, "acme")).includes("INV-1001"), false);
  assert.equal(await verdict(gateway, "acme"), "verified");
});

test("max_calls holds exactly under concurrency, for a parent and its child", async (fixture) => {
  const upstream = startEffectServer();
  await using gateway = await start(fixture, { config: { upstreams: { effects: { url: upstream.url } } } });
  const body = { tenant: "default", agent: "a", ttl_seconds: 600, max_calls: 20 };
  const { token } = await gateway.mint(body);
  const agent = await Agent.connect(gateway.url, "effects", token);
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, n) => agent.call("count", { n })),
  );
  const results = answers.map(resultOf);
  assert.equal(results.filter((result) => result === "ok").length, 20);
  assert.equal(results.filter((result) => result === "max_calls_reached").length, 40);
  assert.equal(upstream.effects.length, 20);
  assert.equal(answers.find((answer) => resultOf(answer) !== "ok")?.message.error.code, -31013);
  assert.equal(await verdict(gateway, "default"), "verified");
  await upstream.close();
});

test("a revoked parent takes its children with it, and others stay", async (fixture) => {
  const upstream = startEffectServer();
  await using gateway = await start(fixture, { config: { upstreams: { effects: { url: upstream.url } } } });
  const mint = () => gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const [parent, other] = [await mint(), await mint()];
  const { attenuateToken } = await import("../../core/token/attenuate.ts");
  const child = await Agent.connect(
    gateway.url,
    "effects",
    await attenuateToken(parent.token, { tools: ["count"] }),
  );
  const bystander = await Agent.connect(gateway.url, "effects", other.token);
  assert.equal(resultOf(await child.call("count")), "ok");
  const revoked = await gateway.api("POST", "/api/v1/revocations", {
    ...{ tenant: "default", jti: parent.jti, reason: "test" },
  });
  assert.equal(revoked.status, 201);
  await eventually(async () => (await child.call("count")).status === 401, "the revocation", 1_000);
  const refused = await child.call("count");
  assert.equal(refused.message.error.data.code, "revoked_token");
  assert.match(refused.headers.get("www-authenticate") ?? "", /^Bearer .*error="invalid_token"/);
  assert.equal(resultOf(await bystander.call("count")), "ok");
  await upstream.close();
});

test("the credential of the upstream goes up, nothing of the agent's does, and the bytes stay as they were", async (fixture) => {
  const upstream = startEffectServer();
  const config = {
    upstreams: { effects: { url: upstream.url, headers: { authorization: { env: "EFFECTS_AUTH" } } } },
  };
  await using gateway = await start(fixture, { config, env: { EFFECTS_AUTH: "Bearer upstream-secret" } });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  const body =
    '{ "jsonrpc":"2.0",  "id":7,"method":"tools/call","params":{"name":"count","arguments":{"n":3, "x":1.50}}}';
  const answer = await agent.send(body, {
    cookie: "a=b",
    "x-forwarded-for": "1.2.3.4",
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  });
  assert.equal(resultOf(answer), "ok");
  assert.equal(upstream.lastBody, body);
  const headers = upstream.lastHeaders ?? new Headers();
  assert.equal(headers.get("authorization"), "Bearer upstream-secret");
  assert.match(headers.get("traceparent") ?? "", /^00-4bf92f/);
  for (const name of ["cookie", "x-forwarded-for", "forwarded"]) assert.equal(headers.get(name), null, name);
  const printed = gateway.stdout + gateway.stderr;
  for (const secret of ["upstream-secret", token, await gateway.operatorToken()]) {
    assert.equal(printed.includes(secret), false);
  }
  await upstream.close();
});

test("an upstream that misbehaves ends in a clear error and the right outcome", async (fixture) => {
  const upstream = startEffectServer();
  const config = {
    upstreams: {
      effects: { url: upstream.url, timeout_ms: 700 },
      gone: { url: "http://127.0.0.1:9/mcp" },
    },
  };
  await using gateway = await start(fixture, { config });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  const expected: [string, string, string][] = [
    ["hang", "outcome_unknown", "unknown"],
    ["close", "outcome_unknown", "unknown"],
    ["huge", "upstream_failed", "upstream_failed"],
    ["redirect", "upstream_failed", "upstream_failed"],
    ["status_500", "upstream_failed", "upstream_failed"],
    ["not_json", "upstream_failed", "upstream_failed"],
    ["www_authenticate", "upstream_failed", "upstream_failed"],
  ];
  for (const [tool, code] of expected) {
    const answer = await agent.call(tool);
    assert.deepEqual([tool, answer.status, resultOf(answer), answer.message?.error?.code], [
      ...[tool, 200, code, -31016],
    ]);
    assert.equal(answer.headers.get("www-authenticate"), null);
  }
  assert.equal(upstream.effects.includes(-1), false, "the redirect was not followed");
  const outcomes = async () =>
    (await events(gateway, "default")).filter((event) => event.metadata.event_code === "call.ended")
      .map((event) => event.unmapped.outcome);
  await eventually(async () => (await outcomes()).length === expected.length, "every outcome");
  assert.deepEqual(await outcomes(), expected.map(([, , outcome]) => outcome));
  const gone = new Agent(`${gateway.url}/mcp/gone`, token);
  const refused = await gone.request("initialize", {
    ...{ protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "0" } },
  });
  assert.equal(refused.message.error.code, -31016);
  const memory = await Deno.readTextFile(`/proc/${gateway.pid}/status`);
  const peakKb = Number(/VmHWM:\s+(\d+)/.exec(memory)?.[1]);
  assert.ok(peakKb < 1_200_000, `the 100 MB answer did not stay in memory, peak ${peakKb} kB`);
  await upstream.close();
});
