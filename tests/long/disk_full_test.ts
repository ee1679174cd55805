/**
 * The disk of the data folder fills up while calls keep coming: the embedded database on a small tmpfs of its own, in a
 * private mount namespace. With PostgreSQL the gateway writes only late records into its data folder after the start.
 */
import assert from "node:assert/strict";
import { Agent, resultOf } from "../agent.ts";
import { startEffectServer } from "../effect_server.ts";
import { gatewayFromSource, type GatewayProcess, startGateway } from "../gateway_process.ts";
import { events, eventually, verdict } from "../integration/gateways.ts";

const OPERATOR_TOKEN = "a-root-token-for-this-test-only";
const DISK_BYTES = 256 * 1_048_576;

Deno.test("a full disk: nothing is forwarded without a record, it is said, and space brings service back", async () => {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    throw new Error("Expected to run as root on Linux: the test mounts a tmpfs in a namespace of its own");
  }
  const upstream = startEffectServer();
  const dataDir = await Deno.makeTempDir();
  // Below the mount, where only this process sees it.
  await Deno.writeTextFile(`${dataDir}/operator_token`, OPERATOR_TOKEN);
  const mount = `mount -t tmpfs -o size=${DISK_BYTES} none "$0" && exec "$@"`;
  await using gateway = await startGateway({
    ...{ dataDir, config: { upstreams: { effects: { url: upstream.url } } } },
    env: { INTENTGATE_OPERATOR_TOKEN: OPERATOR_TOKEN },
    command: ["unshare", "-m", "sh", "-c", mount, dataDir, ...gatewayFromSource()],
  });
  const { token } = await gateway.mint({ tenant: "default", agent: "a", ttl_seconds: 600 });
  const agent = await Agent.connect(gateway.url, "effects", token);
  assert.equal(resultOf(await agent.call("count", { n: 1 })), "ok");
  const filler = `/proc/${gateway.pid}/root${dataDir}/filler`;
  await fill(filler);
  let [n, refused] = [1, 0];
  // What PostgreSQL had allocated before goes on taking records for a while.
  await eventually(
    async () => {
      const result = resultOf(await agent.call("count", { n: ++n }));
      if (result === "ok") return false;
      assert.equal(result, "audit_unavailable");
      return ++refused >= 5;
    },
    "a refusal",
    120_000,
  );
  const effects = upstream.effects.length;
  console.log(`${n} calls, ${effects} effects until the disk was full; readyz ${(await ready(gateway.url))}`);
  await Deno.remove(filler);
  await eventually(
    async () => resultOf(await agent.call("count", { n: ++n })) === "ok",
    "the recovery",
    30_000,
  );
  assert.equal(await verdict(gateway, "default"), "verified");
  await eventually(() => isSettled(gateway, upstream.effects), "one outcome for every allow", 30_000);
  await eventually(
    async () => await accounted(gateway) >= refused,
    "every refusal recorded or counted",
    30_000,
  );
  await upstream.close();
});

/** As many allows as effects (nothing else was sent), each with one outcome. */
async function isSettled(gateway: GatewayProcess, effects: readonly number[]): Promise<boolean> {
  const all = await events(gateway, "default");
  const idOf = (event: { metadata: { correlation_uid: string } }) => event.metadata.correlation_uid;
  const allows = all.filter((event) => event.unmapped.decision === "allow");
  const ended = all.filter((event) => event.metadata.event_code === "call.ended");
  const forwarded = ended.filter((event) => event.unmapped.outcome !== "not_forwarded");
  assert.equal(new Set(ended.map(idOf)).size, ended.length, "an allow has two outcomes");
  assert.ok(effects.length <= allows.length, "an effect without a record");
  return ended.length === allows.length && forwarded.length === effects.length;
}

/** Refusals that stand in the chain, and those that a gap counts; a refusal whose file broke may be both. */
async function accounted(gateway: GatewayProcess): Promise<number> {
  const all = await events(gateway, "default");
  const refusals = all.filter((event) => event.status_code === "audit_unavailable").length;
  const gaps = all.filter((event) => event.metadata.event_code === "audit.gap");
  return gaps.reduce((sum, gap) => sum + gap.count, refusals);
}

async function ready(url: string): Promise<string> {
  const response = await fetch(`${url}/readyz`);
  return `${response.status} ${await response.text()}`;
}

/** Writes until nothing more fits. */
async function fill(path: string): Promise<void> {
  const file = await Deno.open(path, { create: true, write: true });
  try {
    for (let size = 1_048_576; size >= 4_096;) {
      try {
        if (await file.write(new Uint8Array(size)) < size) size /= 2;
      } catch {
        size /= 2;
      }
    }
  } finally {
    file.close();
  }
}
