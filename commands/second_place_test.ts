import assert from "node:assert/strict";
import { fileSecondPlace } from "./second_place.ts";

Deno.test("fileSecondPlace() keeps the last note of each log, readable for its owner only", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const place = fileSecondPlace(`${folder}/checkpoints`);
    assert.equal(await place.read("gateway.example/acme"), undefined);
    assert.deepEqual(await place.origins(), []);
    await place.write("gateway.example/acme", `${"long ".repeat(1000)}\n`);
    await place.write("gateway.example/acme", "second\n");
    await place.write("gateway.example/globex", "other\n");
    assert.equal(await place.read("gateway.example/acme"), "second\n");
    const names = (await Array.fromAsync(Deno.readDir(`${folder}/checkpoints`))).map(({ name }) => name)
      .sort();
    assert.deepEqual(names, ["gateway.example%2Facme.checkpoint", "gateway.example%2Fglobex.checkpoint"]);
    for (const name of names) {
      assert.equal(((await Deno.stat(`${folder}/checkpoints/${name}`)).mode ?? 0) & 0o777, 0o600);
    }
    for (const name of ["gateway.example%2Finitech.checkpoint.x.new", "notes.txt", "%.checkpoint"]) {
      await Deno.writeTextFile(`${folder}/checkpoints/${name}`, "");
    }
    assert.deepEqual(await place.origins(), ["gateway.example/acme", "gateway.example/globex"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a log whose file has the longest name that a folder takes is written too", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const origin = `${"o".repeat(200)}/${"t".repeat(41)}`;
    await fileSecondPlace(folder).write(origin, "note\n");
    const [file] = await Array.fromAsync(Deno.readDir(folder));
    assert.equal(file?.name.length, 255);
    assert.equal(await fileSecondPlace(folder).read(origin), "note\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("two processes on one folder tear no note and fail no write, and drafts of killed ones go", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (
      const [name, isOld] of [["o.checkpoint.new", true], ["o.checkpoint.x.new", true], [
        `${crypto.randomUUID()}.new`,
        true,
      ], [
        "p.y.new",
        false,
      ]] as const
    ) {
      await Deno.writeTextFile(`${folder}/${name}`, "half");
      if (isOld) await Deno.utime(`${folder}/${name}`, new Date(0), new Date(0));
    }
    const both = [fileSecondPlace(folder), fileSecondPlace(folder)];
    const notes = [`${"A".repeat(2_000)}\n`, `${"B".repeat(300)}\n`];
    for (let round = 0; round < 100; round++) {
      await Promise.all(both.map((place, at) => place.write("o", notes[at] ?? "")));
      assert.ok(notes.includes(await both[0]?.read("o") ?? ""));
    }
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["o.checkpoint", "p.y.new"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
