import assert from "node:assert/strict";
import { runSuites } from "./suite_run.ts";
import type { Suite, SuiteResult } from "./suites.ts";

function suite(name: string, result: Partial<SuiteResult>): Suite {
  return {
    name,
    run: () => Promise.resolve({ passed: 0, failed: 0, notRun: [], output: "", ...result }),
  };
}

Deno.test("runSuites() goes on after a failure, shows its output, and ends with the counts", async () => {
  const lines: string[] = [];
  const code = await runSuites(
    [
      suite("first", { passed: 2, failed: 1, output: "what went wrong" }),
      { name: "second", run: () => Promise.reject(new Error("cannot start")) },
      suite("third", { passed: 4, output: "not shown" }),
    ],
    [],
    (line) => lines.push(line),
  );
  const text = lines.join("\n");
  assert.equal(code, 1);
  assert.match(text, /what went wrong/);
  assert.match(text, /cannot start/);
  assert.doesNotMatch(text, /not shown/);
  assert.match(text, /ok {2}third: 4 passed, 0 failed \(\d+\.\d s\)/);
  assert.equal(text.split("\n").at(-1), "6 passed, 2 failed");
});

Deno.test("runSuites() names everything that did not run", async () => {
  const lines: string[] = [];
  const code = await runSuites(
    [suite("one", { passed: 1, notRun: ["python client"] })],
    ["long suite"],
    (line) => lines.push(line),
  );
  assert.equal(code, 0);
  assert.match(lines.join("\n"), /Not run:\n {2}long suite\n {2}python client/);
});
