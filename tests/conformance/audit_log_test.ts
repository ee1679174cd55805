/** The audit log against programs that nobody of us wrote: Tessera's fsck over HTTP, and the proofs of Go's sumdb. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import postgres from "postgres";
import { LeafRun } from "../../audit/merkle_range.ts";
import { consistencyProof, type Hash, inclusionProof, leafHash, nodeHash } from "../../audit/merkle_tree.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createDatabaseTests } from "../integration/databases.ts";
import { eventually, start } from "../integration/gateways.ts";
import { runProgram } from "./client_programs.ts";
import { buildGoPrograms, findGo, runWithInput } from "./go_programs.ts";

const { testPostgres } = createDatabaseTests();
const GO = findGo();
const SIZES = [1, 255, 256, 257, 1_000, 66_000];
const FSCK_TIMEOUT_MS = 60_000;
/** It may hang on a log with faults. */
const REJECT_TIMEOUT_MS = 12_000;

const FSCK = "Tessera's fsck accepts the log over HTTP at every size, and rejects a changed one";
if (GO === undefined) {
  Deno.test({ name: FSCK, ignore: true, fn: () => {} });
} else {
  testPostgres(FSCK, async (fixture) => {
    const { fsck } = await buildGoPrograms(GO);
    const database = await fixture.migrated();
    const events = createAuditEvents(database);
    await using gateway = await start(fixture, { config: { checkpoint_interval_seconds: 1 } });
    const body = { id: "auditor", role: "auditor", tenants: ["default"], ttl_seconds: 600 };
    const { token } = await (await gateway.api("POST", "/api/v1/operators", body)).json();
    const log = async () => await (await gateway.api("GET", "/api/v1/audit/log/default")).json();
    const folder = await Deno.makeTempDir();
    const accepts = async (timeoutMs = FSCK_TIMEOUT_MS) => {
      const args = [
        ...["-storage_url", `${gateway.adminUrl}/api/v1/audit/log/default/`, "-public_key", `${folder}/key`],
        ...["-bearer_token", token, "-N", "2", "-ui=false"],
      ];
      const ran = await runProgram(fsck, args, { timeoutMs, hint: "" });
      // Its exit code says nothing: 0 also for a log with faults, and with one worker it would hang on them.
      return `${ran.stdout}${ran.stderr}`;
    };
    try {
      await Deno.writeTextFile(`${folder}/key`, (await log()).keys[0]);
      let size = 0;
      for (const wanted of SIZES) {
        for (; size < wanted; size = Math.min(wanted, size + 250)) {
          await events.append(Array.from({ length: Math.min(250, wanted - size) }, (_, at) => ({
            ...{ chain: "default", eventId: crypto.randomUUID(), conditions: [] },
            canonical: JSON.stringify({ metadata: { log_name: "l", tenant_uid: "default" }, seq: size + at }),
          })));
        }
        await eventually(
          async () => (await log()).checkpoint?.size === wanted,
          `a checkpoint of ${wanted}`,
          30_000,
        );
        assert.match(await accepts(), /Successfully fsck'd/, `size ${wanted}`);
      }
      const sql = postgres(fixture.superuserUrl ?? "", { max: 1 });
      try {
        await sql`ALTER TABLE audit_events DISABLE TRIGGER only_added`;
        await sql`UPDATE audit_events SET event = replace(event, '"seq":300}', '"seq":301}') WHERE seq = 301`;
        assert.doesNotMatch(await accepts(REJECT_TIMEOUT_MS), /Successfully fsck'd/, "a changed event");
        await sql`UPDATE audit_events SET event = replace(event, '"seq":301}', '"seq":300}') WHERE seq = 301`;
        assert.match(await accepts(), /Successfully fsck'd/, "put back");
        await sql`ALTER TABLE audit_tiles DISABLE TRIGGER only_added`;
        await sql`UPDATE audit_tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)
                  WHERE level = 0 AND index = 2`;
        assert.doesNotMatch(await accepts(REJECT_TIMEOUT_MS), /Successfully fsck'd/, "a changed tile");
      } finally {
        await sql.end();
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Every node of a tree, remembered: all proofs up to 300 leaves ask for the same ones again and again. */
function nodesOf(leaves: readonly Hash[]) {
  const known = new Map<string, Hash>();
  return function read(level: number, index: number): Hash {
    const leaf = leaves[index];
    if (level === 0 && leaf !== undefined) return leaf;
    const name = `${level}/${index}`;
    const found = known.get(name) ?? nodeHash(read(level - 1, index * 2), read(level - 1, index * 2 + 1));
    known.set(name, found);
    return found;
  };
}

Deno.test({
  name: "Go's sumdb makes the same proofs as we, of every leaf and every earlier size up to 300",
  ignore: GO === undefined,
  fn: async () => {
    const { proofs } = await buildGoPrograms(GO ?? "");
    const entries = Array.from({ length: 300 }, (_, at) => `{"n":${at},"text":"\u00fc"}`);
    const read = nodesOf(entries.map(leafHash));
    const text = (hashes: readonly Hash[]) => hashes.map((hash) => Buffer.from(hash).toString("base64"));
    const run = new LeafRun(0);
    const trees = [];
    for (const [index, entry] of entries.entries()) {
      run.push(leafHash(entry));
      const [inclusion, consistency]: string[][][] = [[], []];
      for (let leaf = 0; leaf <= index; leaf++) {
        inclusion!.push(text(await inclusionProof(leaf, index + 1, read)));
        consistency!.push(text(await consistencyProof(leaf + 1, index + 1, read)));
      }
      trees.push({ root: text([run.root()])[0], inclusion, consistency });
    }
    const good = await runWithInput(proofs, [], JSON.stringify({ entries, trees }));
    assert.equal(good.stdout, "90300 proofs agree\n", good.stderr);
    trees[6]!.inclusion![3]!.reverse();
    assert.notEqual((await runWithInput(proofs, [], JSON.stringify({ entries, trees }))).code, 0);
  },
});
