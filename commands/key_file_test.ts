import assert from "node:assert/strict";
import { formatKeyRing, generateKeyRing } from "../core/key_ring.ts";
import { addKey } from "../core/key_rotation.ts";
import { readKeyFile, replaceKeyFile } from "./key_file.ts";
import { randomBytes } from "./random.ts";

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function surroundings(env: Record<string, string> = {}) {
  return { env, readTextFile: () => Promise.reject(new TypeError("not used")) };
}

Deno.test("replaceKeyFile() replaces in one step, for its owner only, also behind a link", async () => {
  await withFolder(async (folder) => {
    const ring = generateKeyRing(randomBytes);
    await Deno.writeTextFile(`${folder}/ring.json`, formatKeyRing(ring), { mode: 0o644 });
    await Deno.symlink(`${folder}/ring.json`, `${folder}/keys.json`);
    const file = await readKeyFile(surroundings(), folder);
    assert.deepEqual(file, { path: `${folder}/keys.json`, ring });
    const held = await Deno.open(`${folder}/ring.json`);
    const next = addKey(ring, "k2", randomBytes);
    await replaceKeyFile(file.path, next);
    assert.equal(await new Response(held.readable).text(), formatKeyRing(ring), "a reader keeps the old one");
    assert.equal((await Deno.lstat(file.path)).isSymlink, true);
    assert.equal(((await Deno.stat(file.path)).mode ?? 0) & 0o777, 0o600);
    const env = { INTENTGATE_KEYS_FILE: `${folder}/ring.json` };
    assert.deepEqual((await readKeyFile(surroundings(env), "/nowhere")).ring, next);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "keys.json",
      "ring.json",
    ]);
  });
});

Deno.test("replaceKeyFile() refuses while another change is under way", async () => {
  await withFolder(async (folder) => {
    const ring = generateKeyRing(randomBytes);
    const path = `${folder}/keys.json`;
    await Deno.writeTextFile(path, formatKeyRing(ring));
    await Deno.writeTextFile(`${path}.new`, "half");
    await assert.rejects(replaceKeyFile(path, ring), (error: Error & { code?: string }) => {
      assert.equal(error.code, "key_unusable");
      assert.match(error.message, /keys\.json\.new"; another command changes the ring, or was interrupted/);
      return true;
    });
    assert.equal(await Deno.readTextFile(path), formatKeyRing(ring));
    assert.equal(await Deno.readTextFile(`${path}.new`), "half", "the other command's file is its own");
  });
});

Deno.test("readKeyFile() makes no file, and cannot change a variable", async () => {
  await withFolder(async (folder) => {
    await assert.rejects(readKeyFile(surroundings(), folder), /Cannot read the key ring ".*keys\.json"/);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    const env = { INTENTGATE_KEYS: "{}" };
    await assert.rejects(readKeyFile(surroundings(env), folder), /put it into a file/);
  });
});
