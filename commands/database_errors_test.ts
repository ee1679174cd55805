import assert from "node:assert/strict";
import { GatewayError } from "../core/errors.ts";
import type { Database } from "../store/database.ts";
import { countDatabaseErrors } from "./database_errors.ts";

const away = () => Promise.reject(new GatewayError("database_unavailable", "Away"));

Deno.test("countDatabaseErrors() counts what the database refuses, and hands errors on as they are", async () => {
  const counted: string[] = [];
  const db = { kind: "postgres", deadline: away, transact: away, ping: away } as unknown as Database;
  const observed = countDatabaseErrors(db, (operation) => counted.push(operation));
  for (
    const ask of [() => observed.deadline(Promise.resolve()), () => observed.transact(away), observed.ping]
  ) {
    await assert.rejects(ask, { code: "database_unavailable" });
  }
  assert.deepEqual(counted, ["query", "transaction", "query"]);
  assert.equal(observed.kind, "postgres");
});

Deno.test("countDatabaseErrors() takes a bug for a bug", async () => {
  const counted: string[] = [];
  const db = {
    deadline: (query: Promise<unknown>) => query,
    transact: () => Promise.reject(new TypeError("A bug")),
  } as unknown as Database;
  const observed = countDatabaseErrors(db, (operation) => counted.push(operation));
  await assert.rejects(observed.transact(away), TypeError);
  assert.equal(await observed.deadline(Promise.resolve(7)), 7);
  assert.deepEqual(counted, []);
});
