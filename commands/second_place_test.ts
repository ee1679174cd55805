import assert from "node:assert/strict";
import { fileSecondPlace } from "./second_place.ts";

Deno.test("fileSecondPlace() keeps the last note of each log, readable for its owner only", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const place = fileSecondPlace(`${folder}/checkpoints`);
    assert.equal(await place.read("gateway.example/acme"), undefined);
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
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
