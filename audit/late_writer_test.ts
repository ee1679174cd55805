import assert from "node:assert/strict";
import type { EventSource } from "./event.ts";
import type { LateFiles } from "./late_port.ts";
import { LateWriter } from "./late_writer.ts";

const source: EventSource = { logId: "log", version: "0", replicaId: "r1", configDigest: "c" };
const line = { chain: "acme", text: "{}", bytes: 2 };

/** Files whose every write is durable at once. */
function files(): LateFiles {
  const never = () => Promise.reject(new Error("not asked for here"));
  return {
    create: () => Promise.resolve({ append: () => Promise.resolve(), close: () => {} }),
    ...{ adopt: never, replace: never, setAside: never, remove: never, close: () => {} },
    read: () => ReadableStream.from([]),
  };
}

function writer(): LateWriter {
  const keys = { active: "k1", keys: new Map([["k1", new Uint8Array(32)]]) };
  return new LateWriter({ files: files(), keys, source, onError: assert.ifError });
}

async function after<T>(steps: number, task: () => Promise<T>): Promise<T> {
  for (let step = 0; step < steps; step++) await undefined;
  return await task();
}

async function within<T>(ms: number, task: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => timer = setTimeout(() => reject(new Error(what)), ms));
  return await Promise.race([task, late]).finally(() => clearTimeout(timer));
}

Deno.test("a record that comes at any moment of another one's writing is written too", async () => {
  for (let steps = 0; steps < 40; steps++) {
    const late = writer();
    const both = Promise.all([late.write(line), after(steps, () => late.write(line))]);
    assert.deepEqual(await within(2_000, both, `the record ${steps} steps later was forgotten`), [
      true,
      true,
    ]);
  }
});

Deno.test("a file is sealed at any moment of its writing", async () => {
  for (let steps = 0; steps < 40; steps++) {
    const late = writer();
    const both = Promise.all([late.write(line), after(steps, () => late.seal())]);
    await within(2_000, both, `the sealing ${steps} steps later never ended`);
    assert.equal(await within(2_000, late.write(line), "the next record was forgotten"), true);
  }
});
