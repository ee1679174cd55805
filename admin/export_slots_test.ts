import assert from "node:assert/strict";
import { createExportSlots } from "./export_slots.ts";

async function* parts(state: { made: number; ended: boolean }) {
  try {
    for (;;) yield await Promise.resolve(new Uint8Array([state.made++]));
  } finally {
    state.ended = true;
  }
}

Deno.test("createExportSlots() makes no more than its reader takes, and ends when the reader goes", async () => {
  const slots = createExportSlots();
  const state = { made: 0, ended: false };
  const chunks = parts(state);
  const slot = slots.take("a") ?? assert.fail();
  const reader = slot.stream(await chunks.next(), chunks).getReader();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(state.made, 1);
  assert.deepEqual([...(await reader.read()).value ?? []], [0]);
  assert.deepEqual([...(await reader.read()).value ?? []], [1]);
  assert.deepEqual([state.made, slots.taken()], [2, 1]);
  await reader.cancel();
  assert.deepEqual([state.ended, slots.taken()], [true, 0]);
});

Deno.test("createExportSlots() gives one operator two, and all together eight", () => {
  const slots = createExportSlots();
  const first = slots.take("a") ?? assert.fail();
  assert.ok(slots.take("a"));
  assert.equal(slots.take("a"), undefined);
  first.release();
  assert.ok(slots.take("a"));
  for (const id of ["b", "b", "c", "c", "d", "d"]) assert.ok(slots.take(id));
  assert.equal(slots.take("e"), undefined);
});

Deno.test("createExportSlots() ends an export that nobody reads, or that fails", async () => {
  const slots = createExportSlots(20);
  const state = { made: 0, ended: false };
  const chunks = parts(state);
  const slot = slots.take("a") ?? assert.fail();
  const stream = slot.stream(await chunks.next(), chunks);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual([state.ended, slots.taken()], [true, 0]);
  await assert.rejects(new Response(stream).text(), /took nothing/);
  const failing = (async function* () {
    yield await Promise.resolve(new Uint8Array(1));
    throw new Error("gone");
  })();
  const other = slots.take("a") ?? assert.fail();
  await assert.rejects(new Response(other.stream(await failing.next(), failing)).text(), /gone/);
  assert.equal(slots.taken(), 0);
});
