import assert from "node:assert/strict";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createAuditTree } from "../../store/audit_tree.ts";
import { createCheckpointPlacesTable, type PlaceClaimOrder } from "../../store/checkpoint_places.ts";
import type { Database } from "../../store/database.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();

/** A chain has so many checkpoints, of sizes 1, 2, 3 … */
async function sign(database: Database, sizes: readonly number[]): Promise<void> {
  const [events, tree] = [createAuditEvents(database), createAuditTree(database)];
  for (const size of sizes) {
    const id = crypto.randomUUID();
    await events.append([{ chain: "default", eventId: id, canonical: `{"id":"${id}"}`, conditions: [] }]);
    const note = `gateway.example/default\n${size}\n`;
    const checkpoint = { baseSize: size - 1, size, root: new Uint8Array(32), note };
    assert.equal(await tree.addCheckpoint("default", checkpoint), true);
  }
}

function order(change: Partial<PlaceClaimOrder> = {}): PlaceClaimOrder {
  return {
    ...{ place: "w", replicaId: "r1", logOrigin: "gateway.example", intervalSeconds: 1, askSince: 0 },
    ...{ most: 4, claimSeconds: 120, ...change },
  };
}

test("a chain is claimed by one replica, until the place has its newest checkpoint", async (fixture) => {
  const database = await fixture.migrated();
  const places = createCheckpointPlacesTable(database);
  assert.deepEqual(await places.claim(order()), [], "nothing has been signed");
  await sign(database, [1, 2]);
  const both = await Promise.all([places.claim(order()), places.claim(order({ replicaId: "r2" }))]);
  assert.deepEqual(both.flat(), [{ chain: "default", heldSize: undefined, failures: 0 }]);
  assert.deepEqual((await places.claim(order({ place: "other" }))).length, 1, "each place for itself");
  await places.taken("w", "default", 7); // nobody signed such a one
  assert.equal((await places.states("default")).find(({ place }) => place === "w")?.size, undefined);
  await places.taken("w", "default", 2);
  assert.deepEqual(await places.claim(order()), []);
  await sign(database, [3]);
  assert.deepEqual(await places.claim(order({ intervalSeconds: 3600 })), [], "not more often than that");
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.deepEqual(await places.claim(order()), [{ chain: "default", heldSize: 2, failures: 0 }]);
  assert.deepEqual(await places.claim(order({ claimSeconds: 0 })), [], "the claim holds");
  await places.taken("w", "default", 1);
  const [state] = await places.states("default");
  assert.equal(state?.size, undefined, "the other place has none");
  assert.equal((await places.states("default"))[1]?.size, 2, "what is had is not forgotten");
});

test("a failure is kept with its reason, tried again after its pause, and ended by success", async (fixture) => {
  const database = await fixture.migrated();
  const places = createCheckpointPlacesTable(database);
  await sign(database, [1]);
  await places.claim(order());
  const failure = { replicaId: "r1", error: "It answered 503".padEnd(400, "!"), retrySeconds: 3600 };
  await places.failed("w", "default", { ...failure, replicaId: "r2" });
  assert.equal((await places.states("default"))[0]?.failures, 0, "of a replica that has no claim");
  await places.failed("w", "default", failure);
  const [failed] = await places.states("default");
  assert.deepEqual([failed?.failures, failed?.lastError?.length], [1, 300]);
  assert.ok(Math.abs((failed?.failedAt ?? 0) - Date.now() / 1000) < 60);
  assert.deepEqual(await places.claim(order()), []);
  await (await fixture.owner()).sql`UPDATE checkpoint_places SET retry_at = clock_timestamp()`;
  assert.deepEqual(await places.claim(order()), [{ chain: "default", heldSize: undefined, failures: 1 }]);
  await places.failed("w", "default", { ...failure, retrySeconds: 0 });
  assert.equal((await places.claim(order()))[0]?.failures, 2);
  await places.taken("w", "default", 1);
  const [state] = await places.states("default");
  assert.deepEqual([state?.failures, state?.lastError, state?.failedAt], [0, undefined, undefined]);
});

test("what was last asked before the start is asked again, and another log begins anew", async (fixture) => {
  const database = await fixture.migrated();
  const places = createCheckpointPlacesTable(database);
  await sign(database, [1]);
  await places.claim(order());
  await places.taken("w", "default", 1);
  const started = await places.now();
  assert.ok(Math.abs(started - Date.now() / 1000) < 60);
  assert.equal((await places.claim(order({ askSince: started })))[0]?.heldSize, 1);
  await places.taken("w", "default", 1);
  assert.deepEqual(await places.claim(order({ askSince: started })), [], "once");
  const [renamed] = await places.claim(order({ logOrigin: "elsewhere.example" }));
  assert.deepEqual(renamed, { chain: "default", heldSize: undefined, failures: 0 });
});

test("a conflict is known to all until the place takes a checkpoint, of configured places only", async (fixture) => {
  const database = await fixture.migrated();
  const places = createCheckpointPlacesTable(database);
  const conflict = (names = ["w"], origin = "gateway.example/default") =>
    places.conflict("default", origin, names);
  await sign(database, [1]);
  await places.claim(order());
  assert.equal(await conflict(), undefined);
  const failure = { replicaId: "r1", error: "It holds 9 events", retrySeconds: 0 };
  await places.failed("w", "default", { ...failure, conflict: { code: "rolled_back", size: 9 } });
  assert.deepEqual(await conflict(), { code: "rolled_back", size: 9 });
  assert.equal(await conflict(["another"]), undefined);
  assert.equal(await conflict(["w"], "elsewhere.example/default"), undefined);
  await places.claim(order());
  await places.failed("w", "default", { ...failure, error: "no answer" });
  assert.deepEqual(await conflict(), { code: "rolled_back", size: 9 }, "silence takes nothing back");
  await places.taken("w", "default", 1);
  assert.equal(await conflict(), undefined);
});

test("the age of what a place does not have is measured, and the newest cosigned checkpoint is found", async (fixture) => {
  const database = await fixture.migrated();
  const [places, tree] = [createCheckpointPlacesTable(database), createAuditTree(database)];
  assert.equal((await places.waiting(["w"])).get("w"), undefined);
  await sign(database, [1, 2, 3]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok((await places.waiting(["w", "v"])).get("v")! >= 0.05);
  await places.claim(order());
  await places.taken("w", "default", 3);
  assert.equal((await places.waiting(["w"])).get("w"), undefined);
  assert.ok(Math.abs((await places.signedAfter("default", undefined))! - Date.now() / 1000) < 60);
  assert.equal(await places.signedAfter("default", 3), undefined);
  await tree.addCosignature("default", 1, "w1", "a\n");
  await tree.addCosignature("default", 1, "w2", "b\n");
  await tree.addCosignature("default", 2, "w1", "c\n");
  assert.equal((await tree.latestCosigned("default", 1))?.size, 2);
  assert.equal((await tree.latestCosigned("default", 2))?.size, 1);
  assert.equal(await tree.latestCosigned("default", 3), undefined);
});
