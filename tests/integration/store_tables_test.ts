import assert from "node:assert/strict";
import { createAuditEvents } from "../../store/audit_events.ts";
import { createReplicas } from "../../store/replicas.ts";
import { createRevocationFeedTable, REVOCATIONS_CHANNEL } from "../../store/revocation_feed.ts";
import { createRevocations, type NewRevocation } from "../../store/revocations.ts";
import { createTenants } from "../../store/tenants.ts";
import { createTokens } from "../../store/tokens.ts";
import { createDatabaseTests } from "./databases.ts";

const { test } = createDatabaseTests();

const nowSeconds = () => Math.floor(Date.now() / 1000);

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function revocation(value: string): NewRevocation {
  return { tenant: "default", kind: "block", value, reason: "lost laptop", operator: "root" };
}

test("tenants and tokens are remembered", async (fixture) => {
  const database = await fixture.migrated();
  const tenants = createTenants(database);
  assert.deepEqual(await tenants.list(), ["default"]);
  assert.equal(await database.transact((tx) => tenants.ensure(tx, "acme")), true);
  assert.equal(await database.transact((tx) => tenants.ensure(tx, "acme")), false);
  assert.equal(await tenants.exists("acme"), true);
  assert.equal(await tenants.exists("nobody"), false);
  assert.deepEqual(await tenants.list(), ["acme", "default"]);
  assert.equal((await createAuditEvents(database).head("acme"))?.seq, 0);
  await assert.rejects(database.transact((tx) => tenants.ensure(tx, "~unverified")), /check constraint/);

  const tokens = createTokens(database);
  const token = {
    tenant: "acme",
    jti: "j",
    kid: "k1",
    blockId: "b",
    agent: "bot",
    issuedAt: 1_800_000_000,
    operator: "root",
  };
  const row = { ...token, expiresAt: 1_800_003_600 };
  await database.transact((tx) => tokens.insert(tx, row));
  assert.equal(await tokens.findBlockId("acme", "j"), "b");
  assert.equal(await tokens.findBlockId("default", "j"), undefined);
  await assert.rejects(database.transact((tx) => tokens.insert(tx, row)), /duplicate key/);
  const [stored] = await (await fixture.owner())
    .sql`SELECT extract(epoch FROM expires_at)::int AS expires_at, agent FROM tokens`;
  assert.deepEqual(stored, { expires_at: 1_800_003_600, agent: "bot" });
});

test("revocations come back as they went in", async (fixture) => {
  const database = await fixture.migrated();
  const revocations = createRevocations(database);
  const feed = createRevocationFeedTable(database);
  assert.equal(await feed.readCounter(), 0);
  const rows: NewRevocation[] = [
    revocation("b1"),
    { tenant: "default", kind: "agent", value: "bot", before: 1_800_000_000.25, reason: "r", operator: "o" },
    { tenant: "default", kind: "tenant", reason: "r", operator: "o" },
    { kind: "all", reason: "r", operator: "o" },
  ];
  for (const row of rows) await database.transact((tx) => revocations.insert(tx, row));
  const stored = await feed.readAfter(0, 10);
  assert.deepEqual(stored.map(({ createdAt: _, number: __, effect: ___, ...row }) => row), rows);
  assert.deepEqual(stored.map((row) => row.number), [1, 2, 3, 4]);
  assert.ok(stored.every((row) => Math.abs(row.createdAt - nowSeconds()) < 60));
  assert.deepEqual((await feed.readAfter(1, 2)).map((row) => row.number), [2, 3]);
  assert.equal(await feed.readCounter(), 4);
  const bad: NewRevocation[] = [
    { kind: "block", value: "b", reason: "r", operator: "o" },
    { tenant: "default", kind: "block", reason: "r", operator: "o" },
    { tenant: "default", kind: "all", reason: "r", operator: "o" },
    { tenant: "nobody", kind: "tenant", reason: "r", operator: "o" },
  ];
  for (const row of bad) {
    await assert.rejects(database.transact((tx) => revocations.insert(tx, row)), /violates/);
  }
  assert.equal(await feed.readCounter(), 4, "a refused revocation takes no number");
});

test("revocation numbers commit in order, so a reader misses none", async (fixture) => {
  const database = await fixture.migrated();
  const revocations = createRevocations(database);
  const feed = createRevocationFeedTable(database);
  const seen: number[] = [];
  let writing = true;
  const reader = (async () => {
    do {
      const rows = await feed.readAfter(seen.at(-1) ?? 0, 100);
      seen.push(...rows.map((row) => row.number));
      await pause(2);
    } while (writing || seen.length < 30);
  })();
  const writers = Array.from({ length: 3 }, async (_, writer) => {
    for (let index = 0; index < 10; index++) {
      await database.transact(async (tx) => {
        await revocations.insert(tx, revocation(`${writer}-${index}`));
        await pause(index % 3); // commits come in another order than begins
      });
    }
  });
  await Promise.all(writers);
  writing = false;
  await reader;
  assert.deepEqual(seen, Array.from({ length: 30 }, (_, index) => index + 1));
});

test("a revocation is announced to other connections when it commits", async (fixture) => {
  const database = await fixture.migrated();
  const revocations = createRevocations(database);
  const arrived = Promise.withResolvers<string>();
  let listening = 0;
  await database.listen(REVOCATIONS_CHANNEL, arrived.resolve, () => listening++);
  assert.equal(listening, 1);
  const number = await database.transact((tx) => revocations.insert(tx, revocation("b")));
  assert.equal(await database.deadline(arrived.promise, 5_000), String(number));
});

test("replicas hold leases", async (fixture) => {
  const database = await fixture.migrated();
  const replicas = createReplicas(database);
  const about = { version: "1.0.0", configDigest: "abc" };
  await replicas.register("a", { ...about, leaseSeconds: 60 });
  await replicas.register("b", { ...about, leaseSeconds: -1 });
  await replicas.register("c", { ...about, leaseSeconds: 60 });
  assert.deepEqual(await replicas.expired(), ["b"]);
  assert.equal(await replicas.renew("b", 60), true);
  assert.deepEqual(await replicas.expired(), []);
  if (fixture.kind === "postgres") {
    await assert.rejects(replicas.endAllExcept("a"), /permission denied/, "it is for the embedded database");
  }
  await createReplicas(await fixture.owner()).endAllExcept("a");
  assert.deepEqual(await replicas.expired(), ["b", "c"]);
  await replicas.remove("b");
  assert.equal(await replicas.renew("b", 60), false);
  const [first, second, third] = await replicas.list();
  assert.deepEqual([first?.replicaId, second?.replicaId, third], ["a", "c", undefined]);
  assert.ok(Math.abs((first?.leaseUntil ?? 0) - nowSeconds() - 60) < 30);
  assert.deepEqual([first?.version, first?.configDigest], ["1.0.0", "abc"]);
});

test("a transaction that fails is undone, and the database goes on", async (fixture) => {
  const database = await fixture.migrated();
  const tenants = createTenants(database);
  await assert.rejects(
    database.transact(async (tx) => {
      await tenants.ensure(tx, "gone");
      throw new RangeError("no");
    }),
    RangeError,
  );
  assert.equal(await tenants.exists("gone"), false);
  await database.ping();
});
