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

Deno.test("createReaderSlots() keeps the room of a reader that went until nothing is made for it any more", async () => {
  const slots = createReaderSlots(LIMITS);
  const page = Promise.withResolvers<void>();
  const state = { made: 0, hasEnded: false };
  const rest = (async function* () {
    try {
      for (;;) {
        await page.promise;
        state.made++;
        yield new Uint8Array();
      }
    } finally {
      state.hasEnded = true;
    }
  })();
  const ends: ReaderEnd[] = [];
  const slot = slots.take("a") ?? assert.fail();
  const reader = slot.stream({ done: false, value: chunk(0) }, rest, (how) => void ends.push(how))
    .getReader();
  await reader.read();
  const waiting = reader.read();
  await new Promise((resolve) => setTimeout(resolve)); // a page is being made
  const cancelled = reader.cancel();
  assert.deepEqual([ends, slots.taken(), state.hasEnded], [["gone"], 1, false]);
  page.resolve();
  await cancelled;
  assert.deepEqual([ends, slots.taken(), state], [["gone"], 0, { made: 1, hasEnded: true }]);
  assert.equal((await waiting).done, true);
});

Deno.test("createReaderSlots() sends no empty chunk, and none is an end", async () => {
  const slot = createReaderSlots(LIMITS).take("a") ?? assert.fail();
  const rest = (async function* () {
    for (const byte of [undefined, 1, undefined, undefined, 2, undefined]) {
      yield await Promise.resolve(byte === undefined ? new Uint8Array() : chunk(byte));
    }
  })();
  const sent = await Array.fromAsync(slot.stream({ done: false, value: new Uint8Array() }, rest));
  assert.deepEqual(sent, [chunk(1), chunk(2)]);
});

Deno.test("createReaderSlots() ends a reader that takes too long, also one that reads all the time", async () => {
  const slots = createReaderSlots({ ...LIMITS, idleMs: 5_000, longestMs: 30 });
  const rest = (async function* () {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      yield new Uint8Array();
    }
  })();
  const ends: ReaderEnd[] = [];
  const slot = slots.take("a") ?? assert.fail();
  const stream = slot.stream({ done: false, value: chunk(0) }, rest, (how) => void ends.push(how));
  await assert.rejects(new Response(stream).arrayBuffer(), /took more than 30 ms/);
  assert.equal((await rest.next()).done, true);
  assert.deepEqual([ends, slots.taken()], [["late"], 0]);
});

Deno.test("createReaderSlots() leaves room for the readers of other tenants", () => {
  const slots = createReaderSlots({ ...LIMITS, mostPerTenant: 1 });
  const first = slots.take("a", "acme") ?? assert.fail();
  assert.equal(slots.take("b", "acme"), undefined);
  assert.ok(slots.take("b", "globex") !== undefined);
  first.release();
  assert.ok(slots.take("b", "acme") !== undefined);
});
