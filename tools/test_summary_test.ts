import assert from "node:assert/strict";
import { parseTestSummary } from "./test_summary.ts";
import { projectRoot, run } from "./subprocess.ts";

Deno.test("parseTestSummary() reads the counts", () => {
  const output = "running 3 tests from ./x_test.ts\na ... ok (1ms)\n\nok | 3 passed | 0 failed (12ms)\n";
  assert.deepEqual(parseTestSummary(output, 0), { passed: 3, failed: 0, notRun: [] });
});

Deno.test("parseTestSummary() counts what exit code and summary leave unexplained as a failure", () => {
  assert.equal(parseTestSummary("error: Module not found", 1).failed, 1);
  assert.equal(parseTestSummary("", 0).failed, 1);
  assert.equal(parseTestSummary("ok | 3 passed | 0 failed (12ms)", 124).failed, 1);
  assert.equal(parseTestSummary("FAILED | 3 passed | 2 failed (12ms)", 1).failed, 2);
});

Deno.test("parseTestSummary() reads what this Deno really prints", async () => {
  const folder = await Deno.makeTempDir({ prefix: "test_summary_" });
  try {
    const source = `
      Deno.test("passes", () => {});
      Deno.test("has steps", async (t) => { await t.step("one", () => {}); });
      Deno.test("fails", () => { throw new Error("on purpose"); });
      Deno.test({ name: "left out", ignore: true, fn: () => {} });
    `;
    await Deno.writeTextFile(`${folder}/planted_test.ts`, source);
    const ran = await run({
      command: Deno.execPath(),
      args: ["test", "--no-config", "--no-check", "planted_test.ts"],
      cwd: folder,
      timeoutMs: 60_000,
    });
    assert.deepEqual(parseTestSummary(ran.stdout, ran.code), { passed: 2, failed: 1, notRun: ["left out"] });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("run() answers 127 for what does not exist and 124 for what takes too long", async () => {
  const cwd = projectRoot();
  assert.equal((await run({ command: "/no/such/program", args: [], cwd, timeoutMs: 1000 })).code, 127);
  assert.equal((await run({ command: "sleep", args: ["30"], cwd, timeoutMs: 100 })).code, 124);
});
