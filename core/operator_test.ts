import assert from "node:assert/strict";
import { areTwoPersons, type Operator } from "./operator.ts";

const named = (id: string): Operator => ({ id, how: "token", role: "admin", tenants: "*" });
const root: Operator = { id: "root", how: "root", role: "admin", tenants: "*" };

Deno.test("areTwoPersons() takes two names; root is never one of the two, nor is anybody twice", () => {
  assert.equal(areTwoPersons(named("alice"), named("bob")), true);
  assert.equal(areTwoPersons(named("alice"), named("alice")), false);
  assert.equal(areTwoPersons(root, named("bob")), false);
  assert.equal(areTwoPersons(named("alice"), root), false);
  assert.equal(areTwoPersons(root, root), false);
});
