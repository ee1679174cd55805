/** Checkpoints of a running gateway in a bucket of moto (S3 with object lock) and before PyPI `standardwebhooks`. */
import assert from "node:assert/strict";
import { openCheckpoint } from "../../audit/checkpoint.ts";
import { SIGNAL, smallLog } from "../../audit/places/places_fixture.ts";
import { s3Place } from "../../audit/places/s3_place.ts";
import { parseVerifierKey } from "../../audit/signed_note.ts";
import type { TreeStore } from "../../audit/tiles.ts";
import { checkpointPlaces } from "../../core/checkpoint_places.ts";
import { freePort, type GatewayProcess } from "../gateway_process.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { eventually, start } from "../integration/gateways.ts";
import { installPythonFolder, PYTHON_HINT, runProgram } from "./client_programs.ts";
import { runWithInput } from "./go_programs.ts";
import { startListener } from "./server_programs.ts";

const FOLDER = decodeURIComponent(new URL("./places", import.meta.url).pathname);
const { testPostgres } = createDatabaseTests();
const usesPython = Deno.env.get("INTENTGATE_TEST_PYTHON") !== "off";
const DAY_SECONDS = 86_400;
const COMMON = { checkpoint_interval_seconds: 1, log_origin: "gateway.example" } as const;

/** Registers a test that needs Python. */
function testPlaces(name: string, run: Parameters<typeof testPostgres>[1]): void {
  if (usesPython) testPostgres(name, run);
  else Deno.test({ name, ignore: true, fn: () => {} });
}

// deno-lint-ignore no-explicit-any
async function get(gateway: GatewayProcess, path: string): Promise<any> {
  return await (await gateway.api("GET", `/api/v1${path}`)).json();
}

/** Waits until a place has a checkpoint of a chain; more events than before stand under it. */
async function untilPushed(gateway: GatewayProcess, place: string): Promise<number> {
  await gateway.mint({ tenant: "default", agent: "bot", ttl_seconds: 600 });
  const state = async () =>
    // deno-lint-ignore no-explicit-any
    (await get(gateway, "/audit/places")).places.find((one: any) => one.name === place);
  await eventually(async () => (await state()).size >= 1, `a checkpoint in "${place}"`, 30_000);
  return (await state()).size;
}

async function opened(gateway: GatewayProcess, note: string) {
  const { origin, keys } = await get(gateway, "/audit/log/default");
  return openCheckpoint(note, { origin, keys: keys.map(parseVerifierKey) }).checkpoint;
}

/** Key id and secret of each user. */
interface S3Keys {
  readonly owner: readonly [string, string];
  readonly gateway: readonly [string, string];
}

async function startMoto() {
  const python = await installPythonFolder("places", FOLDER);
  const port = freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  // moto checks signatures and policies after so many requests.
  const { stop } = await startListener({
    ...{ command: python.replace(/python$/, "moto_server"), args: ["-H", "127.0.0.1", "-p", String(port)] },
    env: { INITIAL_NO_AUTH_ACTION_COUNT: "6" },
  }, port);
  const s3 = async (...args: readonly string[]) => {
    const options = { timeoutMs: 30_000, hint: PYTHON_HINT };
    const ran = await runProgram(python, [`${FOLDER}/s3_client.py`, endpoint, ...args], options);
    assert.equal(ran.code, 0, ran.stderr);
    return JSON.parse(ran.stdout);
  };
  return { endpoint, s3, stop };
}

testPlaces(
  "checkpoints in S3 are locked: nobody deletes or replaces one",
  async (fixture) => {
    const { endpoint, s3, stop } = await startMoto();
    try {
      const { owner, gateway: key }: S3Keys = await s3("set_up", "audit");
      const place = {
        ...{ type: "s3", endpoint, bucket: "audit", interval_seconds: 1, retention_days: 30 },
        ...{ access_key_id: { env: "S3_KEY" }, secret_access_key: { env: "S3_SECRET" } },
      };
      const places = [
        { ...place, name: "vault", prefix: "a/" },
        { ...place, name: "again", prefix: "a/" },
        { ...place, name: "wrong", prefix: "b/", secret_access_key: { env: "S3_KEY" } },
      ];
      await using gateway = await start(fixture, {
        config: { ...COMMON, checkpoint_places: places },
        env: { S3_KEY: key[0], S3_SECRET: key[1] },
      });
      await untilPushed(gateway, "vault");
      await untilPushed(gateway, "again"); // finds what the other wrote
      const objects = await s3("objects", "audit", ...owner);
      const found = objects.filter((one: { key: string }) => one.key.startsWith("a/default/"));
      const [last] = found.toReversed();
      assert.equal(last.mode, "COMPLIANCE");
      assert.ok(Math.abs(last.until - (Date.now() / 1000 + 30 * DAY_SECONDS)) < 120);
      const { size } = await opened(gateway, last.body);
      assert.equal(last.key, `a/default/${String(size).padStart(16, "0")}.checkpoint`);
      assert.equal(
        new Set(found.map((one: { key: string }) => one.key)).size,
        found.length,
        "one version each",
      );
      assert.deepEqual(await s3("attack", "audit", ...owner, last.key, last.version), {
        ...{ delete: "AccessDenied", delete_bypassing: "AccessDenied", overwrite: "PreconditionFailed" },
      });
      const [, , wrong] = (await get(gateway, "/audit/places")).places;
      assert.match(wrong.last_error, /^It answered 403 \(SignatureDoesNotMatch\)$/);
      assert.equal(gateway.stderr.includes(key[1]), false, "the secret stands nowhere");
    } finally {
      await stop();
    }
  },
);

Deno.test({
  name:
    "a delete marker hides a locked checkpoint from listings, and not from a gateway whose database was restored",
  ignore: !usesPython,
  async fn() {
    const { endpoint, s3, stop } = await startMoto();
    try {
      const { owner, gateway: [accessKeyId, secretAccessKey] }: S3Keys = await s3("set_up", "audit");
      const log = smallLog();
      const restored = smallLog("restored", log.key);
      const config = checkpointPlaces.parse([{
        ...{ type: "s3", name: "vault", endpoint, bucket: "audit", prefix: "a/" },
        ...{ access_key_id: { env: "A" }, secret_access_key: { env: "B" } },
      }])[0];
      assert.ok(config?.type === "s3");
      const placeOf = (tree: TreeStore) =>
        s3Place(config, {
          ...{ secrets: { accessKeyId, secretAccessKey }, tree, verifiersOf: log.verifiersOf },
          nowMs: () => Date.now(),
        });
      for (const [size, held] of [[100, 0], [200, 100]] as const) {
        assert.equal((await placeOf(log.tree).push(log.checkpoint(size), held, SIGNAL)).kind, "taken");
      }
      assert.deepEqual(await s3("hide", "audit", ...owner), [], "nothing is to be seen");
      assert.deepEqual(await placeOf(log.tree).push(log.checkpoint(150), 100, SIGNAL), {
        ...{ kind: "conflict", code: "rolled_back", size: 200 },
      });
      for (const size of [200, 220]) {
        assert.deepEqual(await placeOf(restored.tree).push(restored.checkpoint(size), 100, SIGNAL), {
          ...{ kind: "conflict", code: "forked", size: 200 },
        });
      }
      assert.equal((await placeOf(log.tree).push(log.checkpoint(220), 100, SIGNAL)).kind, "taken");
    } finally {
      await stop();
    }
  },
});

testPlaces(
  "webhooks with checkpoints verify with the reference library, and forged ones do not",
  async (fixture) => {
    const python = await installPythonFolder("places", FOLDER);
    const secret = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;
    const deliveries: { headers: Record<string, string>; body: string }[] = [];
    await using receiver = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        deliveries.push({ headers: Object.fromEntries(request.headers), body: await request.text() });
        return new Response(null, { status: deliveries.length === 1 ? 503 : 204 });
      },
    );
    const url = `http://127.0.0.1:${receiver.addr.port}/hooks/secret-path`;
    const place = { type: "webhook", name: "hook", url, interval_seconds: 1, secret: { env: "HOOK_SECRET" } };
    await using gateway = await start(fixture, {
      config: { ...COMMON, checkpoint_places: [place] },
      env: { HOOK_SECRET: secret },
    });
    const size = await untilPushed(gateway, "hook");
    const bodies = () => deliveries.map(({ body }) => JSON.parse(body));
    const ours = bodies().findLast(({ data }) => data.tenant === "default" && data.size === size);
    assert.equal(ours.type, "checkpoint.signed");
    const checkpoint = await opened(gateway, ours.data.checkpoint);
    assert.deepEqual([checkpoint.size, checkpoint.origin], [size, ours.data.origin]);
    const id = deliveries[0]?.headers["webhook-id"];
    await eventually(
      () => deliveries.slice(1).some(({ headers }) => headers["webhook-id"] === id),
      "another try with the same id",
      15_000,
    );
    const [first] = deliveries;
    assert.ok(first !== undefined);
    const forged = [
      { ...first, body: first.body.replace('"size":', '"size": ') },
      { ...first, headers: { ...first.headers, "webhook-id": "checkpoint_0" } },
      { ...first, headers: { ...first.headers, "webhook-timestamp": "1674087231" } },
    ];
    const order = JSON.stringify({ secret, deliveries: [...deliveries, ...forged] });
    const ran = await runWithInput(python, [`${FOLDER}/verify_webhooks.py`], order);
    assert.equal(ran.code, 0, ran.stderr);
    const verdicts: string[] = JSON.parse(ran.stdout);
    assert.deepEqual(verdicts.slice(0, deliveries.length), deliveries.map(() => "verified"));
    assert.equal(verdicts.slice(-3).includes("verified"), false);
    for (const hidden of [secret, "secret-path"]) {
      assert.equal(gateway.stderr.includes(hidden), false, hidden);
    }
  },
);
