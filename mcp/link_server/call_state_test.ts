import assert from "node:assert/strict";
import fc from "fast-check";
import { readCallState, writeCallState } from "./call_state.ts";

Deno.test("readCallState() reads back whatever was written", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (replica, parkedId) => {
    const parked = { kind: "parked", replica, parkedId } as const;
    assert.deepEqual(readCallState(writeCallState(parked)), parked);
    const upstream = { kind: "upstream", state: replica } as const;
    assert.deepEqual(readCallState(writeCallState(upstream)), upstream);
  }));
});

Deno.test("readCallState() takes no other text, and no state for none", () => {
  assert.deepEqual(readCallState(undefined), { kind: "none" });
  for (const text of ["", "parked:", 'parked:["a"]', "parked:{}", "parked:[1,2]", "other:x", 5, null]) {
    assert.equal(readCallState(text), undefined, String(text));
  }
});
