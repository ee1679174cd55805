/** Operators with names and tenants that change at run time, through the real gateway. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { test, testPostgres } = createDatabaseTests();

/** A request to the admin API with a token of one's own. */
function asOperator(
  gateway: GatewayProcess,
  token: string,
  method: string,
  path: string,
  body?: JsonObject,
): Promise<Response> {
  return fetch(`${gateway.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function createOperator(gateway: GatewayProcess, body: JsonObject): Promise<string> {
  const response = await gateway.api("POST", "/api/v1/operators", { ttl_seconds: 600, ...body });
  const answer = await response.json();
  assert.equal(response.status, 201, JSON.stringify(answer));
  return answer.token;
}

async function statusOf(response: Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

test("a named operator does what its role and tenants allow, and every change says who made it", async (fixture) => {
  const upstream = startEffectServer();
  await using gateway = await start(fixture, { config: { upstreams: { effects: { url: upstream.url } } } });
  const made = await gateway.api("POST", "/api/v1/tenants", { name: "globex" });
  assert.equal(made.status, 201);
  const { version } = await made.json();
  const token = await createOperator(gateway, { id: "alice", role: "operator", tenants: ["globex"] });
  const minted = await asOperator(gateway, token, "POST", "/tokens", {
    ...{ tenant: "globex", agent: "bot", ttl_seconds: 60 },
  });
  assert.equal(minted.status, 201);
  const agent = await Agent.connect(gateway.url, "effects", (await minted.json()).token);
  assert.equal(resultOf(await agent.call("count")), "ok", "a new tenant works at once");
  const other = { tenant: "default", agent: "bot", ttl_seconds: 60 };
  assert.equal(await statusOf(asOperator(gateway, token, "POST", "/tokens", other)), 404);
  assert.equal(await statusOf(asOperator(gateway, token, "GET", "/audit/events?tenant=~installation")), 404);
  assert.equal(await statusOf(asOperator(gateway, token, "GET", "/operators")), 403);
  const patch = { version, settings: { description: "x" } };
  assert.equal(await statusOf(asOperator(gateway, token, "PATCH", "/tenants/globex", patch)), 403);
  const viewer = await createOperator(gateway, { id: "carol", role: "viewer", tenants: "*" });
  assert.equal(await statusOf(asOperator(gateway, viewer, "GET", "/audit/events?tenant=globex")), 200);
  assert.equal(await statusOf(asOperator(gateway, viewer, "POST", "/tokens", other)), 403);
  assert.equal(await statusOf(gateway.api("DELETE", "/api/v1/operators/alice")), 200);
  assert.equal(await statusOf(asOperator(gateway, token, "GET", "/tenants")), 401);

  const installation = (await events(gateway, "~installation"))
    .filter((event) => event.unmapped.operator !== undefined); // the gateway itself pins tools
  assert.deepEqual(
    installation.map((event) => [event.metadata.event_code, event.entity.uid, event.unmapped.operator.id]),
    [
      ["operator.created", "alice", "root"],
      ["operator.created", "carol", "root"],
      ["operator.deleted", "alice", "root"],
    ],
  );
  const codes = (await events(gateway, "globex")).map((event) =>
    [event.metadata.event_code, event.unmapped.operator?.id].filter(Boolean).join(" ")
  );
  assert.deepEqual(codes.slice(0, 3), ["tenant.created root", "token.minted alice", "call.decided"]);
  assert.equal(JSON.stringify(installation).includes(token), false);
  for (const chain of ["globex", "~installation"]) assert.equal(await verdict(gateway, chain), "verified");
  await upstream.close();
});

test("failed attempts are throttled, counted in the chain of refused attempts, and measured", async (fixture) => {
  await using gateway = await start(fixture);
  const wrong = `igo_${"A".repeat(43)}`;
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 24; attempt++) {
    statuses.push(await statusOf(asOperator(gateway, wrong, "GET", "/tenants")));
  }
  assert.equal(statuses[0], 401);
  assert.equal(statuses.at(-1), 429);
  assert.ok(statuses.filter((status) => status === 401).length <= 23);
  assert.equal(await statusOf(gateway.api("GET", "/api/v1/tenants")), 429, "the same address waits");
  await eventually(
    async () => await statusOf(gateway.api("GET", "/api/v1/tenants")) === 200,
    "forgiveness",
    9_000,
  );
  const counted = async (code: string) =>
    (await events(gateway, "~unverified")).filter((event) => event.status_code === code)
      .reduce((sum, event) => sum + event.count, 0);
  const refusedThere = statuses.filter((status) => status === 401).length;
  await eventually(async () => await counted("operator_unauthenticated") === refusedThere, "the record");
  assert.ok(await counted("operator_throttled") >= 24 - refusedThere);
  const attempts = await events(gateway, "~unverified");
  assert.ok(attempts.length < 24, "gathered");
  assert.deepEqual([attempts[0].metadata.event_code, attempts[0].src_endpoint.ip], [
    "login.failed",
    "127.0.0.1",
  ]);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  assert.match(metrics, new RegExp(`\\{code="operator_unauthenticated"\\} ${refusedThere}\\n`));
});

testPostgres(
  "an operator deleted at one replica is refused at the other, and both see new settings within a second",
  async (fixture) => {
    const upstream = startEffectServer();
    const options = { config: { upstreams: { effects: { url: upstream.url } } } };
    await using one = await start(fixture, options);
    const keys = await Deno.readTextFile(`${one.dataDir}/keys.json`);
    await using two = await start(fixture, { ...options, env: { INTENTGATE_KEYS: keys } });
    const token = await createOperator(one, { id: "alice", role: "admin", tenants: "*" });
    assert.equal(await statusOf(asOperator(two, token, "GET", "/tenants")), 200);
    const deletedAt = performance.now();
    assert.equal(await statusOf(one.api("DELETE", "/api/v1/operators/alice")), 200);
    assert.equal(await statusOf(asOperator(two, token, "GET", "/tenants")), 401);
    console.log(`refused at the other replica after ${(performance.now() - deletedAt).toFixed(0)} ms`);

    const { token: credential } = await one.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
    const agents = [
      await Agent.connect(one.url, "effects", credential),
      await Agent.connect(two.url, "effects", credential),
    ];
    // The first reading of an upstream's tools pins them, which raises the version too.
    for (const agent of agents) assert.equal(resultOf(await agent.call("count")), "ok");
    const { version } = await (await one.api("GET", "/api/v1/tenants/default")).json();
    const changed = await two.api("PATCH", "/api/v1/tenants/default", {
      ...{ version, settings: { description: "the first tenant" } },
    });
    const { version: raised } = await changed.json();
    assert.ok(raised > version);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    for (const agent of agents) assert.equal(resultOf(await agent.call("count")), "ok");
    const decided = (await events(one, "default")).filter((event) =>
      event.metadata.event_code === "call.decided"
    );
    const last = decided.slice(-2).map((event) => event.unmapped);
    assert.equal(new Set(last.map((unmapped) => unmapped.replica)).size, 2);
    assert.deepEqual(last.map((unmapped) => unmapped.settings_version), [raised, raised]);

    const stale = await one.api("PATCH", "/api/v1/tenants/default", { version, settings: {} });
    assert.equal(stale.status, 409);
    await stale.body?.cancel();
    const both = await Promise.all(
      [one, two].map((gateway) =>
        statusOf(gateway.api("PATCH", "/api/v1/tenants/default", { version: raised, settings: {} }))
      ),
    );
    assert.deepEqual(both.sort(), [200, 409], "one of two changes to the same version wins");
    await upstream.close();
  },
);
