import assert from "node:assert/strict";
import { knownTenants } from "./known_tenants.ts";

Deno.test("knownTenants() asks once for a tenant that exists, and every time for one that does not", async () => {
  const names = ["default"];
  const asked: string[] = [];
  const isTenant = knownTenants((name) => {
    asked.push(name);
    return Promise.resolve(names.includes(name));
  });
  assert.deepEqual([await isTenant("default"), await isTenant("acme")], [true, false]);
  names.push("acme");
  assert.equal(await isTenant("acme"), true);
  assert.deepEqual([isTenant("default"), isTenant("acme")], [true, true]);
  assert.deepEqual(asked, ["default", "acme", "acme"]);
});

Deno.test("knownTenants() does not guess when the database does not answer", async () => {
  const isTenant = knownTenants(() => Promise.reject(new Error("gone")));
  await assert.rejects(async () => await isTenant("default"), /gone/);
});
