/** A database that was restored from an old backup, and a chain whose rows were all removed: who says so, and where. */
import assert from "node:assert/strict";
import type { GatewayProcess } from "../gateway_process.ts";
import { asSuperuser, removeChain, removeTenant } from "../superuser.ts";
import { createDatabaseTests } from "./databases.ts";
import { eventually, start } from "./gateways.ts";

const { testPostgres } = createDatabaseTests();
const CONFIG = { checkpoint_interval_seconds: 1, log_origin: "gateway.example" };

const get = async (gateway: GatewayProcess, path: string) =>
  await (await gateway.api("GET", `/api/v1/audit/${path}`)).json();

async function grow(gateway: GatewayProcess, events: number, tenant = "default"): Promise<void> {
  for (let at = 0; at < events; at++) await gateway.mint({ tenant, agent: "bot", ttl_seconds: 600 });
}

/** Until everything so far stands under a checkpoint. */
async function signed(gateway: GatewayProcess, tenant: string, least: number): Promise<void> {
  const size = async () => (await get(gateway, `log/${tenant}`)).checkpoint?.size ?? 0;
  await eventually(async () => await size() >= least, `a checkpoint of "${tenant}"`, 20_000);
}

async function refused(gateway: GatewayProcess): Promise<string[]> {
  let refusals: string[] = [];
  await eventually(
    async () => {
      refusals = (await (await fetch(`${gateway.url}/readyz`)).json()).checkpoint_refusals;
      return refusals.length > 0;
    },
    "a refusal to sign",
    20_000,
  );
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  assert.match(metrics, /^intentgate_audit_refused_chains [1-9]/m);
  return refusals;
}

testPostgres(
  "a restored database is called broken by every replica that has seen more, also where another had signed it, until the logs get a new name",
  async (fixture) => {
    const dataDirs = ["a", "b"].map((name) => `${fixture.dataDir}/${name}`);
    const run = (at: number) => start(fixture, { dataDir: dataDirs[at]!, config: CONFIG });
    await Deno.mkdir(dataDirs[1]!, { recursive: true });
    {
      await using first = await run(0);
      await grow(first, 3);
      await signed(first, "default", 3);
    }
    for (const name of ["keys.json", "checkpoint_keys.pem"]) {
      await Deno.copyFile(`${dataDirs[0]}/${name}`, `${dataDirs[1]}/${name}`);
    }
    await asSuperuser(
      fixture,
      (sql, name) => sql.unsafe(`CREATE DATABASE ${name}_old TEMPLATE ${name}`),
      "postgres",
    );
    {
      await using first = await run(0);
      await using second = await run(1);
      await grow(first, 5);
      await signed(first, "default", 8);
      for (const gateway of [first, second]) {
        assert.equal((await get(gateway, "verify?tenant=default")).verdict, "verified");
      }
      // Both second places know it now, whoever has signed.
      const known = async (dataDir: string) => {
        const path = `${dataDir}/checkpoints/gateway.example%2Fdefault.checkpoint`;
        return (await Deno.readTextFile(path).catch(() => "")).split("\n")[1];
      };
      const all = async () => (await Promise.all(dataDirs.map(known))).every((size) => size === "8");
      await eventually(all, "the checkpoint in both second places", 20_000);
    }
    await asSuperuser(fixture, async (sql, name) => {
      await sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
      await sql.unsafe(`ALTER DATABASE ${name}_old RENAME TO ${name}`);
    }, "postgres");
    for (const at of [0, 1]) {
      await using gateway = await run(at);
      assert.ok((await refused(gateway)).includes("rolled_back"));
      const { verdict, broken } = await get(gateway, "verify?tenant=default");
      assert.deepEqual([verdict, broken.seq, broken.what], ["broken", 4, "missing"]);
      assert.equal(broken.expected, "8 events, as the checkpoint in the second place says");
    }
    const config = { ...CONFIG, log_origin: "new.example" };
    await using renamed = await start(fixture, { dataDir: dataDirs[0]!, config });
    for (const tenant of ["default", "acme", "~unverified"]) {
      const verdict = async () => {
        const report = await get(renamed, `verify?tenant=${tenant}`);
        assert.notEqual(report.verdict, "broken", JSON.stringify(report));
        return report.verdict;
      };
      await eventually(async () => await verdict() === "verified", `"${tenant}" under a new name`, 20_000);
    }
  },
);

testPostgres(
  "a tenant whose rows are all gone is called broken and no longer signed, also when the tenant is gone too",
  async (fixture) => {
    await using gateway = await start(fixture, { dataDir: `${fixture.dataDir}/gateway`, config: CONFIG });
    assert.equal((await gateway.api("POST", "/api/v1/tenants", { name: "globex" })).status, 201);
    await grow(gateway, 4, "globex");
    await signed(gateway, "globex", 4);
    await removeChain(fixture, "globex");
    const { verdict, broken } = await get(gateway, "verify?tenant=globex");
    assert.deepEqual([verdict, broken.what, broken.found], ["broken", "head", "no such chain"]);
    assert.deepEqual(await refused(gateway), ["rolled_back"]);
    await removeTenant(fixture, "globex");
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // another round
    assert.deepEqual(await refused(gateway), ["rolled_back"]);
  },
);
