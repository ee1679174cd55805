import assert from "node:assert/strict";
import type { GatewayError } from "../../core/errors.ts";
import { type Database, openDatabase } from "../../store/database.ts";
import { createDatabaseTests } from "./databases.ts";
import { freePort } from "./postgres_cluster.ts";

const { testPostgres } = createDatabaseTests();

function open(databaseUrl: string): Promise<Database> {
  return openDatabase({ databaseUrl, dataDir: "/nonexistent", timeoutMs: 1_000 });
}

async function refused(databaseUrl: string, code: string, message: RegExp): Promise<void> {
  const started = performance.now();
  await assert.rejects(open(databaseUrl), (error: GatewayError) => {
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /hunter2|correct-horse/);
    return true;
  });
  assert.ok(performance.now() - started < 9_000, "it says so within a few seconds");
}

testPostgres("openDatabase() says what is wrong with DATABASE_URL", async (fixture, cluster) => {
  const good = fixture.databaseUrl ?? "";
  const at = `127.0.0.1:${cluster.port}`;
  await refused("mysql://root:hunter2@db/x", "config_invalid", /expected "postgres:.*starts with "mysql:"/);
  await refused(`postgres://u:hunter2@127.0.0.1:${freePort()}/x`, "database_unavailable", /ECONNREFUSED/);
  await refused(`postgres://u:hunter2@localhost:${freePort()}/x`, "database_unavailable", /ECONNREFUSED/);
  await refused(
    "postgres://u:hunter2@no-such-host.invalid/x",
    "database_unavailable",
    /no-such-host\.invalid/,
  );
  await refused(
    `postgres://postgres:hunter2@${at}/x`,
    "database_unavailable",
    /password authentication failed/,
  );
  await refused(good.replace(/\w+$/, "missing"), "database_unavailable", /database "missing" does not exist/);
  await refused(
    `${good}?sslmode=require`,
    "database_unavailable",
    new RegExp(`Cannot open the database "postgres://`),
  );
});

testPostgres("openDatabase() gives up on a server that never answers", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const accepted = listener.accept();
  await refused(`postgres://u:hunter2@127.0.0.1:${port}/x`, "database_unavailable", /CONNECT_TIMEOUT/);
  (await accepted).close();
  listener.close();
});

testPostgres(
  "queries fail fast while the database is gone and work again when it is back",
  async (fixture, cluster) => {
    const database = await fixture.migrated(500);
    const received: string[] = [];
    let listening = 0;
    await database.listen("test_channel", (payload) => void received.push(payload), () => listening++);
    const running = database.deadline(database.sql`SELECT pg_sleep(30)`, 20_000);
    const killed = assert.rejects(running, { code: "database_unavailable" });
    await database.ping();
    await cluster.kill();
    await killed;
    for (let attempt = 0; attempt < 20; attempt++) {
      const started = performance.now();
      await assert.rejects(database.ping(), { code: "database_unavailable" });
      assert.ok(performance.now() - started < 1_500, "no query outlives its deadline by much");
    }
    await cluster.start();
    const back = performance.now();
    while (!await database.ping().then(() => true, () => false)) {
      assert.ok(performance.now() - back < 10_000, "the pool recovers by itself");
    }
    // Every place of the pool must have survived, and the listener must listen again.
    await Promise.all(
      Array.from({ length: 8 }, () => database.deadline(database.sql`SELECT pg_sleep(0.2)`, 5_000)),
    );
    while (listening < 2) {
      assert.ok(performance.now() - back < 15_000, "the listener comes back by itself");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await database.sql.notify("test_channel", "after");
    while (received.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(received, ["after"]);
  },
);

testPostgres("a query overruns its deadline without harming the next one", async (fixture) => {
  const database = await fixture.open(200);
  const started = performance.now();
  await assert.rejects(database.deadline(database.sql`SELECT pg_sleep(1)`), /did not answer within 200 ms/);
  assert.ok(performance.now() - started < 900);
  await database.ping();
});

testPostgres("connections do not wait for Nagle's delay", async (fixture) => {
  const database = await fixture.open();
  const started = performance.now();
  for (let index = 0; index < 20; index++) {
    await database.sql`SELECT ${index}::int, ${"x".repeat(2_000)}::text`;
  }
  assert.ok(performance.now() - started < 600, "a delayed acknowledgement would cost 40 ms each");
});

testPostgres("openDatabase() refuses a server that may forget what it confirmed", async (fixture) => {
  const db = await open(fixture.superuserUrl ?? "");
  const set = async (name: string, value: "on" | "off") => {
    await db.sql.unsafe(`ALTER SYSTEM SET ${name} = ${value}`);
    await db.sql`SELECT pg_reload_conf()`;
    const isSet = async () =>
      (await open(fixture.databaseUrl ?? "").then((o) => o.close(), () => "refused")) === "refused";
    for (let tries = 0; tries < 50 && await isSet() !== (value === "off"); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  for (const name of ["fsync", "full_page_writes"]) {
    await set(name, "off");
    await refused(
      fixture.databaseUrl ?? "",
      "database_unavailable",
      new RegExp(`expected "${name}" to be on`),
    );
    await set(name, "on");
    await (await open(fixture.databaseUrl ?? "")).close();
  }
  await db.close();
});
