import assert from "node:assert/strict";
import { createReaderSlots, type ReaderEnd } from "./reader_slots.ts";

const LIMITS = { most: 3, mostPerOperator: 2, idleMs: 10 };
const chunk = (byte: number) => new Uint8Array([byte]);

async function* chunks(count: number, fails = false) {
  for (let byte = 1; byte <= count; byte++) yield await Promise.resolve(chunk(byte));
  if (fails) throw new Error("broken");
}

async function endOf(act: (stream: ReadableStream<Uint8Array>) => Promise<unknown>, rest = chunks(3)) {
  const slots = createReaderSlots(LIMITS);
  const ends: ReaderEnd[] = [];
  const slot = slots.take("a") ?? assert.fail();
  await act(slot.stream({ done: false, value: chunk(0) }, rest, (how) => void ends.push(how))).catch(
    () => {},
  );
  assert.equal(slots.taken(), 0);
  return ends[0];
}

Deno.test("createReaderSlots() says how each reader ended, and gives its room back", async () => {
  assert.equal(await endOf((stream) => new Response(stream).arrayBuffer()), "done");
  assert.equal(await endOf((stream) => new Response(stream).arrayBuffer(), chunks(1, true)), "failed");
  assert.equal(await endOf((stream) => stream.cancel()), "gone");
  assert.equal(await endOf(() => new Promise((resolve) => setTimeout(resolve, 40))), "idle");
});

Deno.test("createReaderSlots() has so much room for one operator and for all", () => {
  const slots = createReaderSlots(LIMITS);
  assert.ok(slots.take("a") !== undefined && slots.take("a") !== undefined);
  assert.equal(slots.take("a"), undefined);
  const last = slots.take("b") ?? assert.fail();
  assert.equal(slots.take("c"), undefined);
  last.release();
  assert.ok(slots.take("c") !== undefined);
});
