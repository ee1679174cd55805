/** The whole gateway with places outside, and the page that explains them. */
import assert from "node:assert/strict";
import { buildPlaces } from "../../commands/place_parts.ts";
import { loadConfiguration } from "../../commands/configuration.ts";
import { openCheckpoint } from "../../audit/checkpoint.ts";
import { parseVerifierKey } from "../../audit/signed_note.ts";
import { intentgate } from "../command_line.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "./databases.ts";
import { eventually, start } from "./gateways.ts";

const { test, testPostgres } = createDatabaseTests();
const PAGE = new URL("../../docs/reference/checkpoint_places.md", import.meta.url);

Deno.test("the configuration in the reference page is one that the gateway takes", async () => {
  const [, yaml] = /```yaml\n(.*?)```/s.exec(await Deno.readTextFile(PAGE)) ?? [];
  const texts: Readonly<Record<string, string>> = {
    "/config.yaml": yaml ?? "",
    "/run/secrets/checkpoint_s3_key": "secret\n",
    "/run/secrets/auditor_webhook": `whsec_${btoa("0123456789abcdef0123456789abcdef")}\n`,
  };
  const env = { INTENTGATE_CONFIG: "/config.yaml", CHECKPOINT_S3_KEY_ID: "AKID" };
  const load = (files: Readonly<Record<string, string>>) =>
    loadConfiguration({ env, readTextFile: (path) => Promise.resolve(files[path] ?? "") });
  const tree = {
    fullTile: () => Promise.resolve(undefined),
    ...{ tileRoots: () => Promise.resolve([]), entries: () => Promise.resolve([]) },
  };
  const places = buildPlaces(await load(texts), { tree, verifiersOf: () => [] });
  assert.deepEqual(places.map(({ type }) => type), ["witness", "s3", "webhook", "file"]);
  await assert.rejects(
    load({ ...texts, "/run/secrets/auditor_webhook": "hunter2" }),
    /^GatewayError: Expected "whsec_" and 24 to 64 bytes in base64 as the secret of checkpoint place "auditor"/,
  );
  const ofLog = { ...texts, "/config.yaml": (yaml ?? "").replace("+79a0197a+", "+79a0197b+") };
  const wrong = await load(ofLog);
  assert.throws(
    () => buildPlaces(wrong, { tree, verifiersOf: () => [] }),
    /Cannot use checkpoint place "witness-one": The key id "79a0197b" is not that of the key/,
  );
});

interface Shown {
  readonly name: string;
  readonly size: number | null;
  readonly failures: number;
  readonly lag: { readonly events: number };
}

async function placesOf(
  gateway: GatewayProcess,
): Promise<{ readonly signed: number; readonly places: readonly Shown[] }> {
  return await (await gateway.api("GET", "/api/v1/audit/places?tenant=default")).json();
}

async function grow(gateway: GatewayProcess): Promise<void> {
  await gateway.mint({ tenant: "default", agent: "bot", ttl_seconds: 600 });
}

const filesIn = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name)
    .filter((name) => name.endsWith(".checkpoint")).sort(); // not one that is being written

test("every checkpoint that a folder gets is signed, and the command says how far each place is", async (fixture) => {
  const path = `${fixture.dataDir}/outside`;
  const common = { type: "file", interval_seconds: 1 };
  const config = {
    checkpoint_interval_seconds: 1,
    checkpoint_places: [{ ...common, name: "disk", path }, { ...common, name: "gone", path: "/proc/none" }],
  };
  const dataDir = `${fixture.dataDir}/gateway`;
  {
    await using gateway = await start(fixture, { config, dataDir });
    await grow(gateway);
    await eventually(async () => ((await placesOf(gateway)).places[0]?.size ?? 0) >= 1, "a file", 20_000);
    const { origin, keys } = await (await gateway.api("GET", "/api/v1/audit/log/default")).json();
    for (const name of await filesIn(`${path}/default`)) {
      const note = await Deno.readTextFile(`${path}/default/${name}`);
      const { checkpoint } = openCheckpoint(note, { origin, keys: keys.map(parseVerifierKey) });
      assert.equal(name, `${String(checkpoint.size).padStart(16, "0")}.checkpoint`);
    }
    const { places: [disk, gone] } = await placesOf(gateway);
    assert.deepEqual([disk?.lag.events, disk?.failures], [0, 0]);
    assert.ok(gone !== undefined && gone.size === null && gone.failures > 0 && gone.lag.events > 0);
    if (fixture.kind === "postgres") await lagGrows(gateway, "gone");
    const ran = await intentgate(["audit", "places", "--url", gateway.url], { INTENTGATE_DATA_DIR: dataDir });
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.out, /^PLACE +TYPE +SIZE +LAG +PUSHED +PROBLEM\n/);
    assert.match(
      ran.out,
      /\ngone +file +none +\d+ events, \d+ s +never +Cannot write there: .+ \(\d+ times\)/,
    );
    assert.match(gateway.stderr, /"message":"A checkpoint place did not take a checkpoint".*"place":"gone"/);
  }
  const before = await filesIn(`${path}/default`);
  await using again = await start(fixture, { config, dataDir });
  await grow(again);
  await eventually(
    async () => (await filesIn(`${path}/default`)).length > before.length,
    "a file of the next process",
    20_000,
  );
  assert.deepEqual((await filesIn(`${path}/default`)).slice(0, before.length), before);
});

/** The metric is measured a few times a minute. */
async function lagGrows(gateway: GatewayProcess, place: string): Promise<void> {
  const text = async () => await (await fetch(`${gateway.url}/metrics`)).text();
  await eventually(
    async () =>
      Number(new RegExp(`place_lag_seconds\\{place="${place}"\\} (\\S+)`).exec(await text())?.[1]) > 0,
    "a lag that is measured",
    30_000,
  );
  assert.match(await text(), /place_lag_seconds\{place="disk"\} 0\n/);
  assert.match(await text(), new RegExp(`pushes_total\\{place="${place}",result="failed"\\} [1-9]`));
}

testPostgres("two replicas push a checkpoint once", async (fixture) => {
  const bodies: string[] = [];
  await using receiver = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      bodies.push(await request.text());
      return new Response(null, { status: 204 });
    },
  );
  const url = `http://127.0.0.1:${receiver.addr.port}/`;
  const place = { type: "webhook", name: "hook", url, interval_seconds: 1, secret: { env: "HOOK" } };
  const env = { HOOK: `whsec_${btoa("0123456789abcdef0123456789abcdef")}` };
  const dataDir = `${fixture.dataDir}/gateway`;
  const options = { config: { checkpoint_interval_seconds: 1, checkpoint_places: [place] }, env, dataDir };
  await using first = await start(fixture, options);
  await using second = await start(fixture, options);
  // What each asks once when it starts is over.
  await eventually(async () => (await placesOf(second)).places[0]?.size !== null, "the first push", 20_000);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  bodies.length = 0;
  for (let round = 0; round < 4; round++) {
    await grow(round % 2 === 0 ? first : second);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
  }
  await eventually(
    async () => {
      const { signed, places } = await placesOf(first);
      return places[0]?.size === signed;
    },
    "the last push",
    20_000,
  );
  const pushed = bodies.map((body) => JSON.parse(body).data).filter(({ tenant }) => tenant === "default");
  const sizes = pushed.map(({ size }) => size);
  assert.ok(sizes.length >= 2, JSON.stringify(sizes));
  assert.deepEqual(sizes, [...new Set(sizes)].sort((left, right) => left - right), "each once, in order");
});
