/** A gateway's life from its first start on, for the sake of the events that it writes. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { INSTALLATION_CHAIN, UNVERIFIED_CHAIN } from "../../core/audit_entry.ts";
import { Agent, resultOf } from "../agent.ts";
import { startChangingUpstream } from "../attacks/changing_upstream.ts";
import { intentgate } from "../command_line.ts";
import { startEffectServer } from "../effect_server.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import type { DatabaseFixture } from "../integration/databases.ts";
import { events, eventually, noLateRecords, start } from "../integration/gateways.ts";
import type { PostgresCluster } from "../integration/postgres_cluster.ts";
import { destructiveTool, QUIET_TENANT, SCENES, TENANT } from "./event_scenes.ts";
import { exportedEvents } from "./exported_events.ts";
import { PRUNED_TENANT } from "./retention_scene.ts";

/** The shortest that the configuration takes. */
const HEARTBEAT_SECONDS = 60;

/** Plays everything, and returns the canonical text of all events of all chains as exports hold them. */
export async function playedEvents(
  fixture: DatabaseFixture,
  cluster: PostgresCluster,
): Promise<readonly string[]> {
  await using effects = closing(startEffectServer());
  await using shop = closing(startChangingUpstream([destructiveTool("pay", "Pays")]));
  const upstreams = { effects: { url: effects.it.url }, shop: { url: shop.it.url } };
  const dataDir = `${fixture.dataDir}/gateway`;
  const often = { checkpoint_interval_seconds: 1, heartbeat_seconds: HEARTBEAT_SECONDS };
  const first = await start(fixture, { dataDir, config: { upstreams, ...often } });
  try {
    for (const scene of SCENES) await scene({ fixture, gateway: first, effects: effects.it, shop: shop.it });
    await eventually(
      async () => (await events(first, QUIET_TENANT)).length > 1,
      "the heartbeat",
      (HEARTBEAT_SECONDS + 60) * 1000,
    );
  } finally {
    await first.stop();
  }
  const { next } = await changeKeys(fixture, dataDir);
  const config = { upstreams, max_body_bytes: 1_000_000 };
  const second = await start(fixture, { dataDir, config });
  const lines = [];
  try {
    // Of the tenant twice: that it was exported is an event too.
    for (const chain of [TENANT, TENANT, PRUNED_TENANT, QUIET_TENANT, UNVERIFIED_CHAIN, INSTALLATION_CHAIN]) {
      lines.push(...await exportedEvents(second, chain));
    }
  } finally {
    await second.stop();
  }
  await Deno.writeTextFile(`${dataDir}/checkpoint_keys.pem`, next);
  await outage(cluster, dataDir, await start(fixture, { dataDir, config }));
  await using last = await start(fixture, { dataDir, config });
  await noLateRecords(last);
  const isThere = async () =>
    (await events(last, INSTALLATION_CHAIN)).some(({ count }) => count !== undefined);
  await eventually(isThere, "the gap", 30_000);
  for (const chain of [TENANT, INSTALLATION_CHAIN]) lines.push(...await exportedEvents(last, chain));
  return [...new Set(lines)];
}

/** Two refusals that the database does not take are kept; the second is damaged before anybody reads it. */
async function outage(cluster: PostgresCluster, dataDir: string, gateway: GatewayProcess): Promise<void> {
  const { token } = await gateway.mint({ tenant: TENANT, agent: "invoice-bot", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  await cluster.kill();
  try {
    for (let call = 0; call < 2; call++) {
      assert.equal(resultOf(await agent.call("never_there")), "audit_unavailable");
    }
    await gateway.kill();
  } finally {
    await cluster.start();
  }
  const folder = `${dataDir}/late_records`;
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
    name.endsWith(".late")
  );
  const path = `${folder}/${files.sort().at(-1)}`;
  const kept = (await Deno.readTextFile(path)).trimEnd().split("\n");
  await Deno.writeTextFile(
    path,
    [...kept.slice(0, -1), kept.at(-1)?.replace("never", "newer"), ""].join("\n"),
  );
}

/**
 * Between two starts: another master key, which ends the first, and another key for checkpoints, which for one start signs
 * beside the old one. Returns the file without the old one.
 */
async function changeKeys(
  fixture: DatabaseFixture,
  dataDir: string,
): Promise<{ readonly next: string }> {
  const env = { ...fixture.databaseEnv, INTENTGATE_DATA_DIR: dataDir };
  for (const args of [["add", "--kid", "k2", "--activate"], ["retire", "k1", "--yes"]]) {
    const ran = await intentgate(["keys", ...args], env);
    assert.equal(ran.code, 0, ran.err);
  }
  const path = `${dataDir}/checkpoint_keys.pem`;
  const next = String(generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }));
  await Deno.writeTextFile(path, next + await Deno.readTextFile(path));
  return { next };
}

/** Closes a server at the end of a block. */
function closing<T extends { close(): Promise<void> }>(it: T): { readonly it: T } & AsyncDisposable {
  return { it, [Symbol.asyncDispose]: () => it.close() };
}
