import assert from "node:assert/strict";
import { filePlace } from "./file_place.ts";
import { SIGNAL, smallLog } from "./places_fixture.ts";
import { PlaceError } from "./place.ts";
import type { TreeStore } from "../tiles.ts";

const log = smallLog();

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "intentgate_places_" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function placeAt(path: string, tree = log.tree) {
  return filePlace(
    { type: "file", name: "f", path, interval_seconds: 1 },
    { tree, verifiersOf: log.verifiersOf, newId: () => crypto.randomUUID() },
  );
}

Deno.test("every checkpoint becomes a file of its own that only the owner may read, and nothing else stays", async () => {
  await inFolder(async (folder) => {
    const place = placeAt(`${folder}/a/b`);
    for (const size of [3, 200, 200]) {
      assert.deepEqual(await place.push(log.checkpoint(size), 0, SIGNAL), { kind: "taken" });
    }
    const chain = `${folder}/a/b/default`;
    const names = (await Array.fromAsync(Deno.readDir(chain))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["0000000000000003.checkpoint", "0000000000000200.checkpoint"]);
    for (const name of names) assert.equal((await Deno.stat(`${chain}/${name}`)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(chain)).mode! & 0o777, 0o700);
    assert.equal(await Deno.readTextFile(`${chain}/${names[0]}`), log.checkpoint(3).note);
  });
});

Deno.test("two replicas that write one checkpoint at once both have it", async () => {
  await inFolder(async (folder) => {
    const both = [placeAt(folder), placeAt(folder)].map((place) => place.push(log.checkpoint(9), 0, SIGNAL));
    assert.deepEqual(await Promise.all(both), [{ kind: "taken" }, { kind: "taken" }]);
  });
});

Deno.test("a file of the same log with other events is a fork, and is never replaced", async () => {
  await inFolder(async (folder) => {
    const other = smallLog("other", log.key).checkpoint(9);
    await placeAt(folder).push(other, 0, SIGNAL);
    const pushed = await placeAt(folder).push(log.checkpoint(9), 0, SIGNAL);
    assert.deepEqual(pushed, { kind: "conflict", code: "forked", size: 9 });
    assert.equal(await Deno.readTextFile(`${folder}/default/0000000000000009.checkpoint`), other.note);
  });
});

Deno.test("a folder that holds a larger checkpoint than the log has tells of a restored database, until it is back", async () => {
  await inFolder(async (folder) => {
    await placeAt(folder).push(log.checkpoint(90), 0, SIGNAL);
    const restored = placeAt(folder);
    for (let time = 0; time < 2; time++) {
      const pushed = await restored.push(log.checkpoint(40), 40, SIGNAL);
      assert.deepEqual(pushed, { kind: "conflict", code: "rolled_back", size: 90 });
    }
    assert.deepEqual(await restored.push(log.checkpoint(91), 40, SIGNAL), { kind: "taken" });
    await Deno.writeTextFile(
      `${folder}/default/0000000000000200.checkpoint`,
      smallLog().checkpoint(200).note,
    );
    await assert.rejects(placeAt(folder).push(log.checkpoint(92), 0, SIGNAL), /Something else stands/);
  });
});

Deno.test("a database that is restored under a running gateway is noticed, however far its log has grown", async () => {
  for (const size of [150, 170, 200, 220]) {
    await inFolder(async (folder) => {
      let stored = log;
      const tree: TreeStore = {
        fullTile: (...at) => stored.tree.fullTile(...at),
        tileRoots: (...at) => stored.tree.tileRoots(...at),
        entries: (...at) => stored.tree.entries(...at),
      };
      const place = placeAt(folder, tree);
      for (const taken of [100, 200]) {
        assert.equal((await place.push(log.checkpoint(taken), 0, SIGNAL)).kind, "taken");
      }
      stored = smallLog("restored", log.key);
      const code = size < 200 ? "rolled_back" : "forked";
      for (let time = 0; time < 2; time++) {
        const pushed = await place.push(stored.checkpoint(size), 100, SIGNAL);
        assert.deepEqual(pushed, { kind: "conflict", code, size: 200 });
      }
      stored = log;
      assert.equal(
        (await place.push(log.checkpoint(210), 100, SIGNAL)).kind,
        "taken",
        "the right one is back",
      );
    });
  }
});

Deno.test("a replica that did not write last notices that the database knows less than before", async () => {
  await inFolder(async (folder) => {
    const [one, other] = [placeAt(folder), placeAt(folder)];
    assert.equal((await one.push(log.checkpoint(100), 0, SIGNAL)).kind, "taken");
    assert.equal((await other.push(log.checkpoint(180), 100, SIGNAL)).kind, "taken");
    assert.equal((await one.push(log.checkpoint(190), 180, SIGNAL)).kind, "taken");
    assert.equal((await other.push(log.checkpoint(200), 190, SIGNAL)).kind, "taken");
    const pushed = await one.push(log.checkpoint(195), 100, SIGNAL); // restored from when it had 100
    assert.deepEqual(pushed, { kind: "conflict", code: "rolled_back", size: 200 });
  });
});

Deno.test("a replica that wrote before another finds what that one wrote, and takes no alarm back", async () => {
  for (const size of [160, 210]) {
    await inFolder(async (folder) => {
      const restored = smallLog("restored", log.key, 120);
      let stored = log;
      const tree: TreeStore = {
        fullTile: (...at) => stored.tree.fullTile(...at),
        tileRoots: (...at) => stored.tree.tileRoots(...at),
        entries: (...at) => stored.tree.entries(...at),
      };
      const [one, other] = [placeAt(folder, tree), placeAt(folder, tree)];
      assert.equal((await one.push(log.checkpoint(100), 0, SIGNAL)).kind, "taken");
      assert.equal((await other.push(log.checkpoint(200), 100, SIGNAL)).kind, "taken");
      stored = restored; // it went another way after 120 events, and knows of 100 there
      const code = size < 200 ? "rolled_back" : "forked";
      for (const place of [other, one, one]) {
        const pushed = await place.push(restored.checkpoint(size), 100, SIGNAL);
        assert.deepEqual(pushed, { kind: "conflict", code, size: 200 });
      }
      stored = log;
      assert.equal((await one.push(log.checkpoint(210), 200, SIGNAL)).kind, "taken", "the right one is back");
    });
  }
});

Deno.test("a folder that nobody else has written to is not read again for every push", async () => {
  await inFolder(async (folder) => {
    const [place, { readDir }] = [placeAt(folder), Deno];
    let readings = 0;
    Deno.readDir = (path) => {
      readings++;
      return readDir(path);
    };
    try {
      for (const size of [3, 5, 7]) await place.push(log.checkpoint(size), 0, SIGNAL);
      assert.equal(readings, 1);
      await placeAt(folder).push(log.checkpoint(9), 9, SIGNAL);
      await place.push(log.checkpoint(11), 9, SIGNAL);
      assert.equal(readings, 3);
    } finally {
      Deno.readDir = readDir;
    }
  });
});

Deno.test("a process that starts with a restored database finds the fork below what its log has grown to, past decoys", async () => {
  await inFolder(async (folder) => {
    for (const size of [100, 200]) await placeAt(folder).push(log.checkpoint(size), 0, SIGNAL);
    const restored = smallLog("restored", log.key);
    for (const decoy of ["0000000000000210.checkpoint", "0000000000000900.checkpoint", "x"]) {
      await Deno.writeTextFile(`${folder}/default/${decoy}`, smallLog().checkpoint(210).note);
    }
    const pushed = await placeAt(folder, restored.tree).push(restored.checkpoint(220), 100, SIGNAL);
    assert.deepEqual(pushed, { kind: "conflict", code: "forked", size: 200 });
    await assert.rejects(placeAt(folder).push(log.checkpoint(220), 100, SIGNAL), /Something else stands/);
    await Deno.remove(`${folder}/default/0000000000000900.checkpoint`);
    // One below may be of a key that is retired.
    assert.equal((await placeAt(folder).push(log.checkpoint(220), 100, SIGNAL)).kind, "taken");
  });
});

Deno.test("an own checkpoint under another's name is not taken for that one", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/default`);
    await Deno.writeTextFile(`${folder}/default/0000000000000009.checkpoint`, log.checkpoint(5).note);
    await assert.rejects(
      placeAt(folder).push(log.checkpoint(9), 9, SIGNAL),
      /of 9 events under its name, found 5/,
    );
  });
});

Deno.test("what nobody of us signed proves nothing against the log", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/default`);
    for (const text of [smallLog().checkpoint(9).note, "", "x"]) {
      await Deno.writeTextFile(`${folder}/default/0000000000000009.checkpoint`, text);
      await assert.rejects(placeAt(folder).push(log.checkpoint(9), 0, SIGNAL), (error: Error) => {
        assert.ok(error instanceof PlaceError);
        assert.match(error.message, /^Something else stands where a checkpoint of this log belongs/);
        return true;
      });
    }
  });
});

Deno.test("a folder that cannot be made is told", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    await assert.rejects(
      placeAt(`${folder}/file`).push(log.checkpoint(1), 0, SIGNAL),
      /^PlaceError: Cannot write/,
    );
  });
});
