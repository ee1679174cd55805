/** What of a call is kept, who may read it, and that it can go without breaking the record; on both databases. */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import type { JsonObject } from "../../core/json.ts";
import { Agent } from "../agent.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { test } = createDatabaseTests();
const SECRET = "4111 1111 1111 1111";

async function call(gateway: GatewayProcess): Promise<void> {
  const { token } = await gateway.mint({ tenant: "acme", agent: "invoice-bot", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "acme", token);
  await agent.call("list_invoices", { status: SECRET });
}

/** The last decision of acme with its sequence number, and what stands beside it. */
async function lastDecision(gateway: GatewayProcess) {
  const all = await events(gateway, "acme");
  const seq = all.findLastIndex(({ metadata }) => metadata.event_code === "call.decided") + 1;
  const beside = await (await gateway.api("GET", `/api/v1/audit/values?tenant=acme&seq=${seq}`)).json();
  return { all, seq, event: all[seq - 1], beside };
}

async function api(
  gateway: GatewayProcess,
  token: string,
  path: string,
  body: JsonObject,
): Promise<Response> {
  return await fetch(`${gateway.adminUrl}/api/v1${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function admin(gateway: GatewayProcess, id: string): Promise<string> {
  const body = { id, role: "admin", tenants: ["acme"], ttl_seconds: 600 };
  return (await (await gateway.api("POST", "/api/v1/operators", body)).json()).token;
}

async function keepArguments(gateway: GatewayProcess): Promise<void> {
  const { version } = await (await gateway.api("GET", "/api/v1/tenants/acme")).json();
  const settings = { record_values: "arguments" };
  const changed = await gateway.api("PATCH", "/api/v1/tenants/acme", { version, settings });
  assert.equal(changed.status, 200);
}

test("arguments are kept only where a tenant wants it, fit their digest, and are gone after two operators erased them", async (fixture) => {
  await using gateway = await start(fixture);
  await call(gateway);
  const before = await lastDecision(gateway);
  assert.deepEqual(before.beside.values, [], "nothing is kept unless the tenant says so");
  await keepArguments(gateway);
  let kept = before;
  await eventually(
    async () => {
      await call(gateway);
      kept = await lastDecision(gateway);
      return kept.beside.values.length === 1;
    },
    "keeping arguments",
    30_000,
  );
  const [value] = kept.beside.values;
  assert.deepEqual(value, {
    ...{ field: "arguments", value: `{"status":"${SECRET}"}`, matches: true },
    digest: kept.event.unmapped.arguments.digest,
  });
  assert.equal(hmac(kept.beside.salt, value.value), value.digest, "as docs/reference/audit.md says");
  assert.doesNotMatch(JSON.stringify(kept.all), /4111/, "no event has the value");

  const [alice, bob] = [await admin(gateway, "alice"), await admin(gateway, "bob")];
  const asked = await api(gateway, alice, "/audit/erasures", { tenant: "acme", agent: "invoice-bot" });
  const { id } = await asked.json();
  assert.equal((await api(gateway, alice, `/audit/actions/${id}/confirm`, {})).status, 403);
  const done = await (await api(gateway, bob, `/audit/actions/${id}/confirm`, {})).json();
  assert.ok(done.erased.values >= 1 && done.erased.salts > done.erased.values, JSON.stringify(done));

  const path = `/api/v1/audit/values?tenant=acme&seq=${kept.seq}`;
  const after = await (await gateway.api("GET", path)).json();
  assert.deepEqual(
    [after.values, after.salt],
    [[], null],
    "neither value nor salt: nothing to confirm a guess with",
  );
  assert.equal(await verdict(gateway, "acme"), "verified");
  assert.deepEqual((await events(gateway, "acme")).slice(0, kept.all.length), kept.all);
  const erased = (await events(gateway, "acme")).find(({ metadata }) =>
    metadata.event_code === "audit.erased"
  );
  assert.deepEqual([erased.unmapped.operator.id, erased.entity.data.request], ["bob", id]);
  if (fixture.kind === "embedded") return; // nobody else can open it
  const { sql } = await fixture.owner();
  await sql`INSERT INTO audit_salts (chain, seq, salt) VALUES ('acme', ${kept.seq}, ${new Uint8Array(32)})`;
  await sql`INSERT INTO audit_values VALUES ('acme', ${kept.seq}, 'arguments', ${value.value})`;
  const forged = await (await gateway.api("GET", path)).json();
  assert.equal(
    forged.values[0].matches,
    false,
    "a salt that was put back other than it was confirms nothing",
  );
});

test("what operators type stands beside the event, is shown with it, and can be erased", async (fixture) => {
  await using gateway = await start(fixture);
  const reason = "Kari Nordmann asked for it";
  await gateway.api("POST", "/api/v1/kill-switches", {
    scope: "agent",
    tenant: "acme",
    value: "bot",
    reason,
  });
  const rows = await (await gateway.api("GET", "/api/v1/audit/events?tenant=acme")).json();
  const row = rows.events.find(({ event }: { event: { metadata: { event_code: string } } }) =>
    event.metadata.event_code === "kill_switch.engaged"
  );
  assert.equal(row.reason, reason);
  assert.doesNotMatch(JSON.stringify(row.event), /Nordmann/);
  const beside = await (await gateway.api("GET", `/api/v1/audit/values?tenant=acme&seq=${row.seq}`)).json();
  assert.deepEqual([beside.values[0].matches, beside.values[0].digest], [
    true,
    row.event.unmapped.reason_digest,
  ]);
  const [alice, bob] = [await admin(gateway, "alice"), await admin(gateway, "bob")];
  const body = { tenant: "acme", event: row.event.metadata.uid };
  const { id } = await (await api(gateway, alice, "/audit/erasures", body)).json();
  const done = await (await api(gateway, bob, `/audit/actions/${id}/confirm`, {})).json();
  assert.deepEqual(done.erased, { salts: 1, values: 1 });
  const again = await (await gateway.api("GET", "/api/v1/audit/events?tenant=acme")).json();
  assert.doesNotMatch(JSON.stringify(again), /Nordmann/);
  assert.equal(await verdict(gateway, "acme"), "verified");
});

/** HMAC-SHA-256 under the salt of the hex SHA-256 of the text, apart from the code under test. */
function hmac(salt: string, text: string): string {
  const inner = createHash("sha256").update(text, "utf8").digest("hex");
  return createHmac("sha256", new Uint8Array(salt.match(/../g)!.map((byte) => parseInt(byte, 16))))
    .update(inner).digest("hex");
}
