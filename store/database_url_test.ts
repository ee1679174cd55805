import assert from "node:assert/strict";
import { parseDatabaseUrl } from "./database_url.ts";

Deno.test("parseDatabaseUrl() masks the password and keeps the rest", () => {
  const parsed = parseDatabaseUrl("postgres://app:s3cret%40x@db.example:6432/gate?sslmode=require");
  assert.equal(parsed.masked, "postgres://app:***@db.example:6432/gate");
  assert.match(parsed.url, /s3cret/);
  assert.equal(parsed.socketFolder, undefined);
  assert.equal(parsed.user, "app");
});

Deno.test("parseDatabaseUrl() reads the user as the server will", () => {
  assert.equal(parseDatabaseUrl("postgres://gate%2Fway@db/gate").user, "gate/way");
  assert.equal(parseDatabaseUrl("postgres://db/gate").user, undefined);
  const named = () => parseDatabaseUrl("nonsense", "DATABASE_MIGRATION_URL");
  assert.throws(named, /Cannot read DATABASE_MIGRATION_URL/);
});

Deno.test("parseDatabaseUrl() understands a socket folder", () => {
  const parsed = parseDatabaseUrl("postgresql://app@localhost/gate?host=/run/postgresql");
  assert.equal(parsed.socketFolder, "/run/postgresql");
  assert.doesNotMatch(parsed.url, /host=/);
});

Deno.test("parseDatabaseUrl() refuses what it cannot read and never repeats it", () => {
  for (
    const text of [
      "",
      "s3cret",
      "mysql://app:s3cret@db/gate",
      "postgres://app:s3cret@db",
      "postgres://app:s3cret@db/",
      "postgres://app:s3cret@db:port/gate",
      "postgres://%s3cret@db/gate",
      "postgres://app:s3cret@db/gate?host=elsewhere",
    ]
  ) {
    assert.throws(() => parseDatabaseUrl(text), (error: Error & { code?: string }) => {
      assert.equal(error.code, "config_invalid");
      assert.match(error.message, /expected "postgres:/);
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    });
  }
});
