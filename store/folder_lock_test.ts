import assert from "node:assert/strict";
import { lockFolder, lockWithin } from "./folder_lock.ts";

Deno.test("lockFolder() makes the folder, keeps others out, and lets them in after release", async () => {
  const parent = await Deno.makeTempDir();
  const folder = `${parent}/new`;
  const lock = await lockFolder(folder);
  assert.equal(((await Deno.stat(folder)).mode ?? 0) & 0o777, 0o700);
  await assert.rejects(lockFolder(folder), (error: Error & { code?: string }) => {
    assert.equal(error.code, "data_folder_locked");
    assert.ok(error.message.includes(`"${folder}"`));
    return true;
  });
  lock.release();
  (await lockFolder(folder)).release();
  await Deno.remove(parent, { recursive: true });
});

Deno.test("lockWithin() gives up, and returns a lock that comes too late", async () => {
  const folder = await Deno.makeTempDir();
  const open = () => Deno.open(`${folder}/lock`, { create: true, read: true, write: true });
  const first = await open();
  assert.equal(await lockWithin(first, 1_000), true);
  const second = await open();
  assert.equal(await lockWithin(second, 50), false);
  first.close();
  const third = await open();
  assert.equal(await lockWithin(third, 5_000), true);
  third.close();
  while (!isClosed(second)) await new Promise((resolve) => setTimeout(resolve, 5)); // gets the lock, and gives it back
  await Deno.remove(folder, { recursive: true });
});

function isClosed(file: Deno.FsFile): boolean {
  try {
    file.statSync();
    return false;
  } catch {
    return true;
  }
}
