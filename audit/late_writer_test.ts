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
    ...{ adopt: never, replace: never, setAside: never, remove: never, close: () => {}, release: () => {} },
    times: never,
    read: () => ReadableStream.from([]),
  };
}

const keys = { active: "k1", keys: new Map([["k1", new Uint8Array(32)]]) };

function writer(): LateWriter {
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

Deno.test("a full disk is not asked for every record, keeps no empty file, and is tried again after a while", async () => {
  for (const appends of [0, 1]) { // that succeed in each file: its first line, or not even that
    let [isFull, made] = [true, 0];
    const left = new Set<string>();
    const full: LateFiles = {
      ...files(),
      create: (name) => {
        made++;
        left.add(name);
        let done = 0;
        const append = () =>
          done++ < appends || !isFull ? Promise.resolve() : Promise.reject(new Error("no space"));
        return Promise.resolve({ append, close: () => {} });
      },
      remove: (name) => Promise.resolve(void left.delete(name)),
    };
    let errors = 0;
    const late = new LateWriter({ files: full, keys, source, onError: () => void errors++, restMs: 50 });
    for (let n = 0; n < 200; n++) assert.equal(await late.write(line), false);
    assert.ok(made < 20, `${made} files were begun`);
    assert.deepEqual([left.size, errors, late.records], [0, made, 0]);
    isFull = false;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(await late.write(line), true);
    await late.close();
    assert.deepEqual([left.size, late.sealed.length], [1, 1]);
  }
});

Deno.test("a file that has records stays when the disk is full, and the next one is tried at once", async () => {
  let isFull = false;
  const made: string[] = [];
  const late = new LateWriter({
    ...{ keys, source, onError: () => {} },
    files: {
      ...files(),
      create: (name) => {
        made.push(name);
        const append = () =>
          isFull && made.length === 1 ? Promise.reject(new Error("no space")) : Promise.resolve();
        return Promise.resolve({ append, close: () => {} });
      },
    },
  });
  assert.equal(await late.write(line), true);
  isFull = true;
  assert.equal(await late.write(line), false);
  assert.equal(await late.write(line), true);
  assert.deepEqual([made.length, late.records], [2, 2]);
  await late.close();
});
