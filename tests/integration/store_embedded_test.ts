import assert from "node:assert/strict";
import type { GatewayError } from "../../core/errors.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { openDatabase } from "../../store/database.ts";
import { migrate } from "../../store/migration_runner.ts";

function open(dataDir: string) {
  return openDatabase({ dataDir, timeoutMs: 10_000 });
}

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "intentgate-embedded-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Starts `store_child.ts` and gives its lines; the caller kills it. */
function startChild(folder: string, what: string) {
  const program = new URL("./store_child.ts", import.meta.url).pathname;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "-A", program, folder, what],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = async function* (): AsyncGenerator<string> {
    let rest = "";
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
  };
  return { process, lines: lines() };
}

Deno.test("openDatabase() refuses a data folder that another process uses, until it is killed", async () => {
  await withFolder(async (folder) => {
    const { process, lines } = startChild(folder, "hold");
    assert.equal((await lines.next()).value, "open");
    await assert.rejects(open(folder), (error: GatewayError) => {
      assert.equal(error.code, "data_folder_locked");
      assert.ok(error.message.includes(`"${folder}"`));
      return true;
    });
    process.kill("SIGKILL");
    await process.status;
    await lines.return(undefined);
    await (await open(folder)).close();
  });
});

Deno.test("openDatabase() refuses a data folder that this process has open already", async () => {
  await withFolder(async (folder) => {
    const first = await open(folder);
    await assert.rejects(open(folder), { code: "data_folder_locked" });
    await first.close();
    await (await open(folder)).close();
  });
});

Deno.test("the data folder can be read by its owner only", async () => {
  await withFolder(async (parent) => {
    const folder = `${parent}/data`;
    await (await open(folder)).close();
    for (const path of [folder, `${folder}/database`]) {
      assert.equal((await Deno.stat(path)).mode! & 0o077, 0, path);
    }
  });
});

Deno.test("openDatabase() starts again after a first start that was killed half-way", async () => {
  for (const delayMs of [100, 500]) {
    await withFolder(async (folder) => {
      const { process, lines } = startChild(folder, "hold");
      while (!await Deno.stat(`${folder}/database.seeding`).catch(() => undefined)) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      process.kill("SIGKILL");
      await process.status;
      while (!(await lines.next()).done); // reads to the end, so that nothing stays open
      const database = await open(folder);
      await migrate(database);
      await database.close();
    });
  }
});

Deno.test("openDatabase() begins again in a folder that holds half a cluster", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/database`);
    await Deno.writeTextFile(`${folder}/database/PG_VERSION`, "18\n");
    await Deno.writeTextFile(`${folder}/database.seeding`, "");
    const database = await open(folder);
    await migrate(database);
    await database.close();
  });
});

Deno.test("migrations that were killed half-way are finished by the next start", async () => {
  const seen = new Set<number>();
  for (
    const [line, delayMs] of [["open", 30], ["applied 1", 0], ["applied 1", 20], ["applied 2", 10]] as const
  ) {
    await withFolder(async (folder) => {
      const { process, lines } = startChild(folder, "migrate");
      while ((await lines.next()).value !== line);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      process.kill("SIGKILL");
      await process.status;
      while (!(await lines.next()).done); // reads to the end, so that nothing stays open
      const database = await open(folder);
      const { applied, number } = await migrate(database);
      seen.add(applied.length);
      assert.ok(applied.length <= number);
      const event = { chain: "default", eventId: "next", canonical: "{}", conditions: [] };
      assert.equal((await createAuditEvents(database).append([event]))[0]?.status, "appended");
      await database.close();
    });
  }
  assert.ok(seen.size > 1, `killed at different places: ${[...seen].join(", ")} migrations were left`);
});

Deno.test("what was acknowledged survives kill -9", async () => {
  await withFolder(async (folder) => {
    const { process, lines } = startChild(folder, "write");
    let acknowledged = 0;
    for await (const line of lines) {
      if (line.startsWith("acknowledged ")) acknowledged = Number(line.slice(13));
      if (acknowledged === 100) process.kill("SIGKILL");
    }
    await process.status;
    assert.ok(acknowledged >= 100);
    const database = await open(folder);
    const events = createAuditEvents(database);
    const rows = await events.read("default", 0, 100_000);
    assert.ok(rows.length >= acknowledged, `${rows.length} rows of ${acknowledged} acknowledged`);
    rows.forEach((row, index) => assert.equal(row.canonical, JSON.stringify({ index: index + 1 })));
    assert.equal((await events.head("default"))?.seq, rows.length);
    const event = { chain: "default", eventId: "next", canonical: "{}", conditions: [] };
    assert.equal((await events.append([event]))[0]?.status, "appended");
    await database.close();
  });
});

Deno.test("a transaction holds the session, others wait for it, and none sees half of it", async () => {
  await withFolder(async (folder) => {
    const database = await open(folder);
    const { sql } = database;
    await sql`CREATE TABLE numbers (value int)`;
    const order: string[] = [];
    const inside = sql.begin(async (tx) => {
      await tx`INSERT INTO numbers VALUES (1)`;
      await new Promise((resolve) => setTimeout(resolve, 100));
      await tx`INSERT INTO numbers VALUES (2)`;
      order.push("inside");
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const outside = sql`SELECT count(*)::int AS count FROM numbers`.then(([row]) => {
      order.push("outside");
      assert.equal(row?.count, 2);
    });
    await Promise.all([inside, outside]);
    assert.deepEqual(order, ["inside", "outside"]);
    await database.close();
  });
});

Deno.test("a query outside its own transaction dead-locks only until the transaction is rolled back", async () => {
  await withFolder(async (folder) => {
    const database = await open(folder);
    const { sql } = database;
    await sql`CREATE TABLE numbers (value int)`;
    await assert.rejects(
      database.transact(async () => void await sql`INSERT INTO numbers VALUES (1)`),
      { code: "database_unavailable" },
    );
    await database.ping();
    await database.close();
  });
});

Deno.test("errors in every phase of a query leave the session usable", async () => {
  await withFolder(async (folder) => {
    const database = await open(folder);
    const { sql } = database;
    await assert.rejects(database.deadline(sql`SELEKT ${1}`), /syntax error/);
    await assert.rejects(database.deadline(sql`SELECT 1 / ${0}::int`), /division by zero/);
    await assert.rejects(database.deadline(sql`SELECT ${"x"}::int`), /invalid input syntax/);
    await assert.rejects(sql.begin(async (tx) => void await tx`SELECT 1 / ${0}::int`), /division by zero/);
    const answers = await Promise.all(
      Array.from(
        { length: 40 },
        (_, index) =>
          index % 4 === 0
            ? sql`SELECT 1 / ${0}::int`.then(() => "answer", () => "error")
            : sql`SELECT ${index}::int AS value`.then(([row]) => row?.value),
      ),
    );
    answers.forEach((answer, index) => assert.equal(answer, index % 4 === 0 ? "error" : index));
    const big = await sql`SELECT repeat('x', 3000000) AS text`;
    assert.equal(big[0]?.text.length, 3_000_000);
    await database.close();
  });
});
