import assert from "node:assert/strict";
import { createSettingsFeed } from "./settings_feed.ts";

function feed(pollMs = 10_000) {
  const database = { version: 1, down: false };
  const errors: unknown[] = [];
  let announce = () => {};
  const created = createSettingsFeed({
    ...{ version: 1, pollMs },
    source: {
      readVersion: () =>
        database.down ? Promise.reject(new Error("down")) : Promise.resolve(database.version),
      listen: (onChange) => Promise.resolve(void (announce = onChange)),
    },
  });
  return {
    ...created,
    database,
    errors,
    announce: () => announce(),
    onError: (e: unknown) => errors.push(e),
  };
}

const settle = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("createSettingsFeed() reads the version when a change is announced, and never goes back", async () => {
  const { start, version, database, announce, onError, close } = feed();
  await start(onError);
  database.version = 2;
  assert.equal(version(), 1);
  announce();
  await settle();
  assert.equal(version(), 2);
  database.version = 1;
  announce();
  await settle();
  assert.equal(version(), 2);
  close();
});

Deno.test("createSettingsFeed() polls for what was not announced, also after a failure", async () => {
  const { start, version, database, errors, onError, close } = feed(5);
  await start(onError);
  database.down = true;
  await settle(40);
  assert.ok(errors.length > 0);
  database.down = false;
  database.version = 7;
  await settle(40);
  assert.equal(version(), 7);
  close();
  database.version = 8;
  await settle(20);
  assert.equal(version(), 7, "closed");
});

Deno.test("refresh() of a settings feed resolves when the version is known", async () => {
  const { refresh, version, database } = feed();
  database.version = 3;
  await refresh();
  assert.equal(version(), 3);
});
