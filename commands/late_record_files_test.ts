import assert from "node:assert/strict";
import { openLateRecordFiles } from "./late_record_files.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const scratch = await Deno.makeTempDir({ prefix: "intentgate_late_" });
  try {
    await run(`${scratch}/late_records`);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += new TextDecoder().decode(chunk);
  return text;
}

/** A process of its own takes the lock, or says that it cannot. */
async function adoptElsewhere(folder: string): Promise<string> {
  const module = new URL("./late_record_files.ts", import.meta.url).href;
  const code = `const { openLateRecordFiles } = await import("${module}");
    console.log(JSON.stringify((await (await openLateRecordFiles("${folder}")).adopt()).map(({ name }) => name)));
    Deno.exit(0); // before Deno 2.9 a lock that somebody else has is still waited for`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--config", new URL("../deno.json", import.meta.url).pathname, code],
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

const unusable = (message: RegExp) => ({ code: "late_records_unusable", message });

Deno.test("files and folder are for their owner only, and what is appended reads back", async () => {
  await inFolder(async (folder) => {
    const files = await openLateRecordFiles(folder);
    const file = await files.create("r1-1.late");
    await file.append("one\n");
    await file.append("zwei ✓\n");
    assert.equal(await textOf(files.read("r1-1.late")), "one\nzwei ✓\n");
    assert.equal(((await Deno.stat(folder)).mode ?? 0) & 0o777, 0o700);
    assert.equal(((await Deno.stat(`${folder}/r1-1.late`)).mode ?? 0) & 0o777, 0o600);
    await files.replace("r1.gaps", "5\n");
    await files.replace("r1.gaps", "6\n");
    assert.equal(await textOf(files.read("r1.gaps")), "6\n");
    assert.equal(((await Deno.stat(`${folder}/r1.gaps`)).mode ?? 0) & 0o777, 0o600);
    await files.remove("r1.gaps");
    await files.setAside("r1-1.late");
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["r1-1.late.set_aside"]);
    assert.equal(await textOf(files.read("r1-1.late")), "", "a file that is gone is empty");
    files.close();
  });
});

Deno.test("create() writes into no file that stands there already, not even through a link", async () => {
  await inFolder(async (folder) => {
    const files = await openLateRecordFiles(folder);
    await Deno.writeTextFile(`${folder}/r1-1.late`, "", { mode: 0o600 });
    await Deno.symlink(`${folder}/elsewhere`, `${folder}/r1-2.late`);
    for (const name of ["r1-1.late", "r1-2.late"]) {
      await assert.rejects(files.create(name), Deno.errors.AlreadyExists);
    }
    files.close();
  });
});

Deno.test("adopt() takes the files of processes that have ended, oldest first, and none of one that lives", async () => {
  await inFolder(async (folder) => {
    const files = await openLateRecordFiles(folder);
    await files.create("alive-1.late");
    await files.replace("alive.gaps", "");
    for (
      const [index, name] of ["b-1.late", "a-10.late", "a.gaps", "notes.txt", "c-1.late.set_aside"].entries()
    ) {
      await Deno.writeTextFile(`${folder}/${name}`, "x", { mode: 0o600 });
      await Deno.utime(`${folder}/${name}`, 1_000 + index, 1_000 + index);
    }
    assert.equal(await adoptElsewhere(folder), '["b-1.late","a-10.late","a.gaps"]');
    assert.deepEqual((await files.adopt()).map(({ name, bytes }) => [name, bytes]), [
      ["b-1.late", 1],
      ["a-10.late", 1],
      ["a.gaps", 1],
    ]);
    assert.equal(await adoptElsewhere(folder), "[]");
    files.close();
    assert.equal(JSON.parse(await adoptElsewhere(folder)).length, 5, "locks end with the process");
  });
});

Deno.test("adopt() of a process that runs leaves what was just written, and release() gives a file back", async () => {
  await inFolder(async (folder) => {
    const files = await openLateRecordFiles(folder);
    for (const [name, ageMs] of [["new-1.late", 0], ["old-1.late", 60_000]] as const) {
      await Deno.writeTextFile(`${folder}/${name}`, "x", { mode: 0o600 });
      await Deno.utime(`${folder}/${name}`, new Date(), new Date(Date.now() - ageMs));
    }
    assert.deepEqual((await files.adopt(5_000)).map(({ name }) => name), ["old-1.late"]);
    assert.equal(await adoptElsewhere(folder), '["new-1.late"]');
    files.release("old-1.late");
    assert.equal(await adoptElsewhere(folder), '["old-1.late","new-1.late"]');
    await Deno.chmod(`${folder}/new-1.late`, 0o644);
    await assert.rejects(files.adopt(), unusable(/expected mode 600/));
    await Deno.chmod(`${folder}/new-1.late`, 0o600);
    assert.equal(await adoptElsewhere(folder), '["old-1.late","new-1.late"]', "nothing stayed locked");
    files.close();
  });
});

/** The same file as Deno before 2.9 has it: a lock can only be waited for. */
function withoutTryLock(file: Deno.FsFile): Deno.FsFile {
  return new Proxy(file, {
    has: (_, name) => name !== "tryLock" && Reflect.has(file, name),
    get: (_, name) => {
      const member = Reflect.get(file, name, file);
      return typeof member === "function" ? member.bind(file) : member;
    },
  });
}

Deno.test("adopt() waits for a lock once, however often it is asked for", async () => {
  await inFolder(async (folder) => {
    const [alive, files] = [await openLateRecordFiles(folder), await openLateRecordFiles(folder)];
    await alive.create("alive-1.late");
    const { open } = Deno;
    let opened = 0;
    Deno.open = async (...args) => {
      opened++;
      return withoutTryLock(await open(...args));
    };
    try {
      for (let round = 0; round < 3; round++) assert.deepEqual(await files.adopt(), []);
      assert.equal(opened, 1, "it is still waited for");
      await alive.remove("alive-1.late");
    } finally {
      Deno.open = open;
    }
    for (const one of [alive, files]) one.close();
  });
});

/** Does something between the next opening of a file and its lock: so it comes where a lock can only be waited for. */
async function betweenOpenAndLock(happens: () => Promise<void>, run: () => Promise<void>): Promise<void> {
  const { open } = Deno;
  Deno.open = async (path, options) => {
    Deno.open = open;
    const file = await open(path, options);
    await happens();
    return file;
  };
  try {
    await run();
  } finally {
    Deno.open = open;
  }
}

Deno.test("a lock counts only for the file that stands there: not for one that was replaced or removed before", async () => {
  await inFolder(async (folder) => {
    const [alive, starting] = [await openLateRecordFiles(folder), await openLateRecordFiles(folder)];
    await alive.replace("alive.gaps", "1\n");
    await betweenOpenAndLock(
      () => alive.replace("alive.gaps", "2\n"),
      async () => assert.deepEqual(await starting.adopt(), []),
    );
    assert.equal(await textOf(alive.read("alive.gaps")), "2\n");
    await betweenOpenAndLock(
      () => Deno.remove(`${folder}/alive-1.late`),
      async () =>
        await assert.rejects(alive.create("alive-1.late"), unusable(/another process has removed it/)),
    );
    for (const files of [alive, starting]) files.close();
  });
});

Deno.test("a file that its living owner replaces while it is opened is left alone, and holds up no other one", async () => {
  await inFolder(async (folder) => {
    const [alive, starting] = [await openLateRecordFiles(folder), await openLateRecordFiles(folder)];
    await alive.replace("alive.gaps", "1\n");
    await Deno.writeTextFile(`${folder}/ended-1.late`, "x", { mode: 0o600 });
    const { lstat } = Deno;
    let replacements = 0;
    Deno.lstat = async (path) => {
      const seen = await lstat(path);
      if (!String(path).endsWith("alive.gaps") || replacements > 0) return seen;
      replacements++;
      await alive.replace("alive.gaps", "2\n");
      return seen;
    };
    try {
      assert.deepEqual((await starting.adopt()).map(({ name }) => name), ["ended-1.late"]);
      assert.equal(replacements, 1);
      replacements = 0;
      await assert.rejects(textOf(starting.read("alive.gaps")), unusable(/it was replaced while/));
    } finally {
      Deno.lstat = lstat;
    }
    for (const files of [alive, starting]) files.close();
  });
});

Deno.test("a folder or file that others may use, and a link, are refused by name and mode", async () => {
  await inFolder(async (folder) => {
    const files = await openLateRecordFiles(folder);
    const path = `${folder}/r1-1.late`;
    for (const mode of [0o640, 0o604, 0o660, 0o666]) {
      await Deno.writeTextFile(path, "");
      await Deno.chmod(path, mode);
      await assert.rejects(
        files.adopt(),
        unusable(new RegExp(`r1-1.late": expected mode 600, found ${mode.toString(8)}`)),
      );
    }
    await Deno.remove(path);
    await Deno.writeTextFile(`${folder}/target`, "", { mode: 0o600 });
    await Deno.symlink(`${folder}/target`, path);
    await assert.rejects(files.adopt(), unusable(/r1-1.late": expected a file, found something else/));
    await Deno.remove(path);
    await Deno.mkdir(path);
    await assert.rejects(files.adopt(), unusable(/expected a file, found something else/));
    files.close();
    await Deno.chmod(folder, 0o750);
    await assert.rejects(
      openLateRecordFiles(folder),
      unusable(/late_records": expected mode 700, found 750/),
    );
    await Deno.chmod(folder, 0o700);
    await Deno.rename(folder, `${folder}_real`);
    await Deno.symlink(`${folder}_real`, folder);
    await assert.rejects(openLateRecordFiles(folder), unusable(/expected a folder, found something else/));
  });
});

Deno.test("a file tells when it was made and last written to, and a replacement that fails leaves nothing", async () => {
  await inFolder(async (folder) => {
    const files = await openLateRecordFiles(folder);
    const before = Date.now() - 2_000; // clocks of file systems are coarse
    await files.create("r1-1.late");
    const made = await files.times("r1-1.late");
    assert.ok(made.startMs >= before && made.endMs >= made.startMs && made.endMs <= Date.now() + 2_000);
    await Deno.utime(`${folder}/r1-1.late`, new Date(5_000), new Date(7_000));
    assert.deepEqual(
      await files.times("r1-1.late"),
      { startMs: 7_000, endMs: 7_000 },
      "a copy is made later",
    );
    await Deno.mkdir(`${folder}/r1.gaps`);
    await assert.rejects(files.replace("r1.gaps", "5\n"));
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["r1-1.late", "r1.gaps"]);
    files.close();
  });
});
