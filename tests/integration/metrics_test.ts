import assert from "node:assert/strict";
import { readExposition } from "../../telemetry/exposition_fixture.ts";
import { Agent, resultOf } from "../agent.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { eventually, start } from "./gateways.ts";

const { test } = createDatabaseTests();

/** Reads a value; labels select, what is not given is added up. */
async function scrape(gateway: GatewayProcess) {
  const response = await fetch(`${gateway.url}/metrics`);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const families = readExposition(await response.text());
  const value = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    [...families.values()].flatMap((family) => family.samples)
      .filter((one) => one.name === name)
      .filter((one) => Object.entries(labels).every(([label, wanted]) => one.labels[label] === wanted))
      .reduce((sum, one) => sum + one.value, 0);
  return { families, value };
}

test("/metrics counts what happened, and no metric is without a value", async (fixture) => {
  const place = { type: "file", name: "disk", path: `${fixture.dataDir}/outside` };
  await using gateway = await start(fixture, { config: { checkpoint_places: [place] } });
  const { token } = await gateway.mint({ tenant: "acme", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "acme", token);
  for (let index = 0; index < 3; index++) {
    assert.equal(resultOf(await agent.call("read_invoice", { invoice_id: "INV-1001" })), "ok");
  }
  assert.equal(
    resultOf(await agent.call("pay_invoice", { invoice_id: "INV-1001", amount_cents: 12_500 })),
    "approval_required",
  );
  assert.equal(
    resultOf(await new Agent(`${gateway.url}/mcp/acme`, "ig1.x.y").call("read_invoice")),
    "invalid_token",
  );
  await eventually(
    async () => (await scrape(gateway)).value("intentgate_outcomes_total", { outcome: "ok" }) === 3,
    "the third outcome",
  );
  const { families, value } = await scrape(gateway);
  assert.equal(value("intentgate_decisions_total", { decision: "allow" }), 3);
  assert.equal(value("intentgate_decisions_total", { decision: "escalate", check: "policy" }), 1);
  assert.equal(value("intentgate_refused_attempts_total"), 1);
  assert.equal(value("intentgate_refused_attempts_total", { code: "invalid_token" }), 1);
  assert.equal(value("intentgate_outcomes_total"), 3);
  assert.equal(value("intentgate_calls_in_flight"), 0);
  assert.ok(value("intentgate_audit_batch_events_sum") >= 7, "four decisions, three outcomes");
  assert.ok(value("intentgate_check_seconds_count", { check: "policy" }) >= 4);
  assert.ok(value("intentgate_upstream_seconds_count") >= 3);
  assert.ok(value("intentgate_event_loop_lag_seconds_count") >= 1);
  assert.ok(value("intentgate_lease_remaining_seconds") > 5);
  assert.ok(value("intentgate_revocation_age_seconds") < 5);
  assert.equal(value("intentgate_config_info", { database: fixture.kind }), 1);
  assert.ok(value("process_resident_memory_bytes") > 30e6);
  assert.ok(value("process_cpu_seconds_total") > 0.1);
  assert.ok(Math.abs(Date.now() / 1000 - value("process_start_time_seconds")) < 120);
  const silent = [...families.values()].filter((family) => family.samples.length === 0);
  assert.deepEqual(silent.map((family) => family.name), []);
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  for (const secret of ["read_invoice", "acme", "INV-1001", token]) {
    assert.equal(text.includes(secret), false, secret);
  }
});

Deno.test("docs/reference/logs.md lists messages that are written", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/reference/logs.md", import.meta.url));
  const listed = page.slice(page.indexOf("## Messages")).split("\n")
    .flatMap((line) =>
      [...(/^\| (`[^|]+) \|/.exec(line)?.[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text)
    );
  assert.ok(listed.length >= 12, `${listed.length} messages`);
  let sources = "";
  for (const folder of ["checks", "commands", "telemetry"]) {
    for await (const { name } of Deno.readDir(new URL(`../../${folder}`, import.meta.url))) {
      if (!/^\w+(?<!_test)\.ts$/.test(name)) continue;
      sources += await Deno.readTextFile(new URL(`../../${folder}/${name}`, import.meta.url));
    }
  }
  assert.deepEqual(listed.filter((text) => !sources.includes(`"${text}"`)), []);
});

test("every log line is JSON and names its replica", async (fixture) => {
  const gateway = await start(fixture);
  await gateway.stop();
  const lines = gateway.stderr.trim().split("\n").filter((line) => line.startsWith("{")).map((line) =>
    JSON.parse(line)
  );
  const messages = lines.map((line) => line.message);
  assert.deepEqual([messages[0], ...messages.slice(-2)], ["Gateway started", "Draining", "Drained"]);
  for (const { time, level, message, replica } of lines) {
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.match(level, /^(debug|info|warn|error)$/);
    assert.ok(message.length > 0);
    assert.equal(replica, lines[0].replica);
  }
});
