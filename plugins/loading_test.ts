import assert from "node:assert/strict";
import * as z from "zod";
import type { Check, CheckDefinition } from "./contract.ts";
import { closeStages, loadStages } from "./loading.ts";

const pass: Check = { run: () => ({ kind: "pass" }) };

function definition(name: string, rest: Partial<CheckDefinition> = {}): CheckDefinition {
  return { name, contract: 1, options: z.strictObject({}), setup: () => pass, ...rest };
}

function load(
  stages: { check: string; options?: Record<string, unknown> }[],
  definitions: CheckDefinition[],
) {
  return loadStages({
    stages: stages.map((stage) => ({ options: {}, ...stage })),
    definitions: new Map(definitions.map((one) => [one.name, one])),
    context: (name) => ({ name, nowMs: () => 0, log: () => {} }),
    setupTimeoutMs: 50,
  });
}

const principal = definition("capability", { establishes: "principal" });

Deno.test("loadStages() sets up in the configured order", async () => {
  const order: string[] = [];
  const noting = (name: string) =>
    definition(name, {
      setup: () => {
        order.push(name);
        return { ...pass, close: () => void order.push(`close ${name}`) };
      },
    });
  const stages = await load([{ check: "capability" }, { check: "b" }, { check: "a" }], [
    principal,
    noting("a"),
    noting("b"),
  ]);
  await closeStages(stages);
  assert.deepEqual(order, ["b", "a", "close a", "close b"]);
});

Deno.test("loadStages() lists every problem of a pipeline at once", async () => {
  const needy = definition("needy", { requires: ["principal", "intent"] });
  const strict = definition("strict", { options: z.strictObject({ limit: z.int() }) });
  const bad = [{ check: "needy" }, { check: "nothere" }, { check: "strict", options: { limt: 1 } }, {
    check: "needy",
  }];
  const error = await load(bad, [principal, needy, strict]).then(() => assert.fail(), (thrown) => thrown);
  assert.equal(error.code, "config_invalid");
  for (
    const part of [
      'pipeline[0] "needy": stands first but does not establish the principal',
      'pipeline[0] "needy": requires "principal"',
      'pipeline[0] "needy": requires "intent"',
      'pipeline[1] "nothere": no such check; known are capability, needy, strict',
      'pipeline[2] "strict": options.limit',
      'pipeline[3] "needy": stands twice',
    ]
  ) assert.ok(error.message.includes(part), `${part} not in ${error.message}`);
});

Deno.test("loadStages() closes what was set up when a later setup fails or hangs", async () => {
  for (
    const setup of [() => Promise.reject(new Error("no")), () => new Promise<Check>(() => {})]
  ) {
    let closed = 0;
    const first = definition("first", {
      establishes: "principal",
      setup: () => ({ ...pass, close: () => void closed++ }),
    });
    await assert.rejects(
      load([{ check: "first" }, { check: "second" }], [first, definition("second", { setup })]),
    );
    assert.equal(closed, 1);
  }
});

Deno.test("loadStages() refuses a check that inspects results, until that exists", async () => {
  const inspecting = definition("inspecting", {
    establishes: "principal",
    setup: () => ({ ...pass, result: () => ({ kind: "pass" }) }),
  });
  await assert.rejects(load([{ check: "inspecting" }], [inspecting]), /inspects results/);
});
