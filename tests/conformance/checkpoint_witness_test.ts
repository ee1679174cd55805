/** Checkpoints of a running gateway before `litewitness`, which nobody of us wrote: it cosigns, and it refuses a fork. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { openCheckpoint } from "../../audit/checkpoint.ts";
import { verifyExport } from "../../audit/export/verify_export.ts";
import { verifyLogProof } from "../../audit/log_proof.ts";
import { parseVerifierKey } from "../../audit/signed_note.ts";
import type { JsonObject } from "../../core/json.ts";
import { intentgate } from "../command_line.ts";
import { type GatewayProcess, startGateway } from "../gateway_process.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { eventually, urlsOf } from "../integration/gateways.ts";
import { runProgram } from "./client_programs.ts";
import { buildWitness, findGo } from "./go_programs.ts";
import { startWitness, type Witness } from "./witness_program.ts";

const { testPostgres } = createDatabaseTests();
const GO = findGo();
const VERIFIER = decodeURIComponent(new URL("../../tools/verify_export.py", import.meta.url).pathname);

/** Registers a test that needs a witness. */
function testWitness(
  name: string,
  run: (witness: Witness, ...rest: Parameters<Parameters<typeof testPostgres>[1]>) => Promise<void>,
) {
  if (GO === undefined) return Deno.test({ name, ignore: true, fn: () => {} });
  testPostgres(name, async (...rest) => {
    const witness = await startWitness(await buildWitness(GO));
    try {
      await run(witness, ...rest);
    } finally {
      await witness.stop();
    }
  });
}

function configOf(witness: Witness, places = true): JsonObject {
  const place = {
    type: "witness",
    name: "lite",
    url: witness.url,
    public_key: witness.key,
    interval_seconds: 1,
  };
  return {
    ...{ checkpoint_interval_seconds: 1, log_origin: "gateway.example" },
    checkpoint_places: places ? [place] : [],
  };
}

// deno-lint-ignore no-explicit-any
async function get(gateway: GatewayProcess, path: string): Promise<any> {
  const response = await gateway.api("GET", `/api/v1${path}`);
  assert.equal(response.status, 200, path);
  return await response.json();
}

const text = async (gateway: GatewayProcess, path: string) =>
  await (await gateway.api("GET", `/api/v1${path}`)).text();

/** So many events more, each a minted token. */
async function grow(gateway: GatewayProcess, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    await gateway.mint({ tenant: "default", agent: "bot", ttl_seconds: 600, upstreams: ["acme"] });
  }
}

const signedSize = async (gateway: GatewayProcess) =>
  (await get(gateway, "/audit/log/default")).checkpoint?.size ?? 0;

testWitness(
  "litewitness cosigns the checkpoints of a running gateway, and both verifiers ask for it",
  async (witness, fixture) => {
    await using gateway = await startGateway({ ...urlsOf(fixture), config: configOf(witness) });
    const log = await get(gateway, "/audit/log/default");
    witness.addLog(log.origin, log.keys);
    await grow(gateway, 3);
    await eventually(() => witness.sizeOf(log.origin) > 0, "the first cosignature", 15_000);
    await grow(gateway, 2);
    const size = (await get(gateway, "/audit/events?limit=1000")).events.length;
    await eventually(
      () => witness.sizeOf(log.origin) >= size,
      "a cosignature that follows from an earlier one",
      15_000,
    );
    const [unknown] = (await get(gateway, "/audit/places?tenant=~installation")).places;
    assert.match(unknown.last_error, /^It answered 403 \(unknown log\)$/);
    assert.match(gateway.stderr, /"A checkpoint place did not take a checkpoint".*"chain":"~installation"/);
    const [place] = (await get(gateway, "/audit/places")).places;
    assert.deepEqual([place.name, place.failures, place.last_error], ["lite", 0, null]);

    const [keys, witnesses] = [log.keys.map(parseVerifierKey), [parseVerifierKey(witness.key)]];
    const note = await text(gateway, "/audit/log/default/checkpoint?cosigned=1");
    const opened = openCheckpoint(note, { origin: log.origin, keys, witnesses });
    assert.deepEqual(opened.cosigners, ["witness.example/one"]);
    assert.ok(opened.checkpoint.size >= size);
    const proof = verifyLogProof(await text(gateway, "/audit/proof?tenant=default&seq=1&cosigned=1"), {
      ...{ keys, witnesses, witnessesNeeded: 1 },
    });
    assert.equal(proof.verdict, "verified");
    assert.equal((await gateway.api("GET", "/api/v1/audit/log/default/checkpoint?cosigned=2")).status, 404);
    await verifyBoth(gateway, { keys: log.keys, witness: witness.key });
    assert.match(
      await (await fetch(`${gateway.url}/metrics`)).text(),
      /intentgate_checkpoint_pushes_total\{place="lite",result="taken"\} [1-9]/,
    );
  },
);

/** An export whose checkpoint must be cosigned, before both verifiers. */
async function verifyBoth(
  gateway: GatewayProcess,
  { keys, witness }: { readonly keys: readonly string[]; readonly witness: string },
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/export.tar`;
    const asked = ["--key", keys[0]!, "--witness", witness, "--witnesses", "1"];
    const exported = await intentgate(
      ["audit", "export", "--url", gateway.url, "--output", path, ...asked],
      { INTENTGATE_DATA_DIR: gateway.dataDir },
    );
    assert.equal(exported.code, 0, exported.err);
    assert.match(exported.out, /^Verified: .*cosigned by witness\.example\/one/);
    const archive = await Deno.readFile(path);
    for (const needed of [1, 2]) {
      const report = await verifyExport(ReadableStream.from([archive]), {
        ...{
          keys: keys.map(parseVerifierKey),
          witnesses: [parseVerifierKey(witness)],
          witnessesNeeded: needed,
        },
      });
      assert.deepEqual(
        [report.verdict, report.code],
        needed === 1 ? ["verified", undefined] : ["unproven", "not_cosigned"],
      );
      const args = [VERIFIER, path, "--key", keys[0]!, "--witness", witness];
      const ran = await runProgram("python3", [...args, "--witnesses-needed", String(needed)], {
        ...{ timeoutMs: 20_000, hint: "Install Python 3 with cryptography" },
      });
      assert.equal(ran.code, needed === 1 ? 0 : 3, ran.stdout + ran.stderr);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

testWitness(
  "a log that was restored and goes another way is refused by litewitness, noticed, and no longer signed",
  async (witness, fixture) => {
    const dataDir = `${fixture.dataDir}/gateway`;
    const run = (places = true) =>
      startGateway({ ...urlsOf(fixture), dataDir, config: configOf(witness, places) });
    const first = await run();
    const { origin, keys } = await get(first, "/audit/log/default");
    witness.addLog(origin, keys);
    await grow(first, 2);
    await eventually(() => witness.sizeOf(origin) >= 2, "a cosignature", 15_000);
    await first.stop();
    await copyDatabase(fixture.superuserUrl, "backup");
    const second = await run();
    await grow(second, 4);
    await eventually(() => witness.sizeOf(origin) >= 6, "a later cosignature", 15_000);
    await second.stop();
    const held = witness.sizeOf(origin);

    await restoreDatabase(fixture.superuserUrl, "backup");
    await Deno.remove(`${dataDir}/checkpoints`, { recursive: true }); // another machine: the second place is gone too
    const third = await run();
    await noticed(third, "rolled_back", held);
    const before = await signedSize(third);
    await grow(third, 1);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    assert.equal(await signedSize(third), before, "nothing is signed any more");
    await third.stop();

    const hidden = await run(false);
    await grow(hidden, 8);
    await eventually(
      async () => await signedSize(hidden) > held,
      "a checkpoint behind the witness's back",
      10_000,
    );
    await hidden.stop();
    await using fourth = await run();
    await noticed(fourth, "forked", held);
    assert.equal(witness.sizeOf(origin), held, "nothing of it was cosigned");
  },
);

/** The gateway knows and says, everywhere, that the witness holds something else. */
async function noticed(gateway: GatewayProcess, code: string, size: number): Promise<void> {
  const conflict = async () => (await get(gateway, "/audit/places")).places[0].conflict;
  await eventually(async () => (await conflict())?.code === code, `the conflict ${code}`, 15_000);
  assert.deepEqual(await conflict(), { code, size });
  const refusals = async () => (await (await fetch(`${gateway.url}/readyz`)).json()).checkpoint_refusals;
  await eventually(async () => (await refusals()).includes(code), `the refusal ${code}`, 10_000);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  assert.match(metrics, /intentgate_checkpoint_pushes_total\{place="lite",result="conflict"\} [1-9]/);
  assert.match(metrics, new RegExp(`intentgate_checkpoint_refusals_total\\{code="${code}"\\} [1-9]`));
  assert.match(
    gateway.stderr,
    /"level":"error","message":"A checkpoint place holds what the log does not continue"/,
  );
  const ran = await intentgate(["audit", "places", "--url", gateway.url], {
    INTENTGATE_DATA_DIR: gateway.dataDir,
  });
  assert.equal(ran.code, 1, ran.err);
  assert.match(ran.out, new RegExp(`lite +witness .*CONFLICT \\(${code}, it holds size ${size}\\)`));
}

async function asSuperuser(
  url: string | undefined,
  run: (sql: postgres.Sql, name: string) => Promise<unknown>,
) {
  const target = new URL(url ?? "");
  const name = target.pathname.slice(1);
  target.pathname = "/postgres";
  const sql = postgres(target.href, { max: 1, onnotice: () => {} });
  try {
    await run(sql, name);
  } finally {
    await sql.end();
  }
}

function copyDatabase(url: string | undefined, copy: string): Promise<void> {
  return asSuperuser(url, (sql, name) => sql.unsafe(`CREATE DATABASE ${name}_${copy} TEMPLATE ${name}`));
}

function restoreDatabase(url: string | undefined, copy: string): Promise<void> {
  return asSuperuser(url, async (sql, name) => {
    await sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
    await sql.unsafe(`ALTER DATABASE ${name}_${copy} RENAME TO ${name}`);
  });
}
