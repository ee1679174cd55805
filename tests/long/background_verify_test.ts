/** The verification in the background of a whole gateway: its shortest interval is a minute. */
import assert from "node:assert/strict";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { eventually, start } from "../integration/gateways.ts";
import { removeChain, removeTenant } from "../superuser.ts";

const { testPostgres } = createDatabaseTests();

async function metric({ adminUrl }: GatewayProcess, name: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? assert.fail(`no metric "${name}"`));
}

testPostgres(
  "a tenant that is gone with its chain is found in the background, by the second place",
  async (fixture) => {
    await using gateway = await start(fixture, {
      config: { checkpoint_interval_seconds: 1, verify_interval_seconds: 60, log_origin: "gateway.example" },
    });
    const lastOk = () => metric(gateway, "intentgate_audit_verify_last_ok_timestamp_seconds");
    const broken = () => metric(gateway, "intentgate_audit_broken_chains");
    assert.equal((await gateway.api("POST", "/api/v1/tenants", { name: "globex" })).status, 201);
    await eventually(async () => await lastOk() > 0, "a first good round", 90_000);
    assert.equal(await broken(), 0, "also of chains without any event");
    const before = await lastOk();
    await removeChain(fixture, "globex");
    await removeTenant(fixture, "globex");
    await eventually(async () => await broken() === 1, "a round that finds it", 90_000);
    assert.equal(await lastOk(), before);
    assert.match(gateway.stderr, /"An audit chain is broken".*"chain":"globex"/);
  },
);
