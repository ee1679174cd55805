import assert from "node:assert/strict";
import * as fc from "fast-check";
import { concatBytes } from "../../core/bytes.ts";
import { readTar, TAR_END, TarError, tarFile } from "./tar.ts";

const FILES = [
  { name: "manifest.json", content: new TextEncoder().encode('{"a":1}') },
  { name: "events/000000000000001.ndjson", content: new Uint8Array(1_000).fill(65) },
  { name: "empty", content: new Uint8Array() },
];
const ARCHIVE = concatBytes([...FILES.map((file) => tarFile(file, 1_700_000_000)), TAR_END]);

async function* chunksOf(bytes: Uint8Array, length: number) {
  for (let at = 0; at < bytes.length; at += length) {
    yield await Promise.resolve(bytes.subarray(at, at + length));
  }
}

async function read(bytes: Uint8Array, length = 700) {
  return await Array.fromAsync(readTar(chunksOf(bytes, length), 100_000));
}

Deno.test("readTar() reads what tarFile() wrote, however the bytes are cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3_000 }), async (length) => {
      assert.deepEqual(await read(ARCHIVE, length), FILES);
    }),
    { numRuns: 30 },
  );
});

Deno.test("GNU tar unpacks what tarFile() wrote", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${folder}/a.tar`, ARCHIVE);
    const { code } = await new Deno.Command("tar", { args: ["-xf", "a.tar"], cwd: folder }).output();
    assert.equal(code, 0);
    for (const { name, content } of FILES) {
      assert.deepEqual(await Deno.readFile(`${folder}/${name}`), content);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("readTar() refuses every changed byte outside of the contents, and every other length", async () => {
  const inContent = (at: number) => (at >= 512 && at < 519) || (at >= 1536 && at < 2536);
  await fc.assert(
    fc.asyncProperty(fc.nat(ARCHIVE.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      fc.pre(!inContent(at));
      const damaged = ARCHIVE.slice();
      damaged[at]! ^= change;
      try {
        // A damaged name or time may be a whole header of another file, with a right sum only by accident.
        assert.notDeepEqual(await read(damaged), FILES);
      } catch (error) {
        if (!(error instanceof TarError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
  for (const length of [0, 511, 512, 1_000, ARCHIVE.length - 512, ARCHIVE.length - 1]) {
    await assert.rejects(() => read(ARCHIVE.subarray(0, length)), TarError);
  }
  await assert.rejects(() => read(concatBytes([ARCHIVE, Uint8Array.of(0)])), TarError);
});

Deno.test("readTar() refuses links, folders and files that are too long", async () => {
  for (const type of ["1", "2", "5", "x", "L"]) {
    const archive = ARCHIVE.slice();
    const sum = parseInt(String.fromCharCode(...archive.subarray(148, 154)), 8);
    archive[156] = type.charCodeAt(0);
    const fixed = (sum - "0".charCodeAt(0) + type.charCodeAt(0)).toString(8).padStart(6, "0");
    archive.set(new TextEncoder().encode(fixed), 148);
    await assert.rejects(() => read(archive), /not that of a plain file/);
  }
  const long = concatBytes([tarFile({ name: "long", content: new Uint8Array(100_001) }, 0), TAR_END]);
  await assert.rejects(() => read(long), /at most 100000/);
});

Deno.test("tarFile() refuses names that not every system keeps", () => {
  for (const name of ["", "a b", "\u00e9", "x".repeat(101)]) {
    assert.throws(() => tarFile({ name, content: new Uint8Array() }, 0), RangeError);
  }
});
