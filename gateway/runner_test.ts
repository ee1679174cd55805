import assert from "node:assert/strict";
import type { ToolCall, Verdict } from "../core/call.ts";
import type { Check } from "../plugins/contract.ts";
import type { Stage } from "../plugins/loading.ts";
import { createDeadlines } from "./deadlines.ts";
import { addFact, EMPTY_RUN, runStages } from "./runner.ts";

const call: ToolCall = Object.freeze({
  id: "d1",
  upstream: "acme",
  method: "tools/call",
  name: "pay",
  arguments: {},
  argumentsDigest: "",
  receivedAtMs: 0,
  deadlineMs: Date.now() + 60_000,
  sourceIp: "127.0.0.1",
});

function stage(name: string, run: Check["run"], establishesPrincipal = false): Stage {
  return { name, establishesPrincipal, check: { run } };
}

function harness() {
  const faults: string[] = [];
  const deadlines = createDeadlines({ nowMs: () => Date.now(), tickMs: 2 });
  const options = { deadlines, nowMs: () => Date.now(), onFault: (where: string) => void faults.push(where) };
  return { faults, options };
}

Deno.test("runStages() runs in order, gathers facts and stops at the first block", async () => {
  const seen: string[] = [];
  const stages = [
    stage("capability", () => ({ kind: "pass", facts: { tenant: "acme" } }), true),
    stage("intent", (_call, facts) => {
      seen.push(JSON.stringify(facts.principal));
      return { kind: "skip", reason: "not configured" };
    }),
    stage("policy", () => ({ kind: "block", code: "no", reason: "Not today" })),
    stage("budget", () => {
      seen.push("budget");
      return { kind: "pass" };
    }),
  ];
  const result = await runStages(stages, call, EMPTY_RUN, harness().options);
  assert.equal(result.kind, "ended");
  assert.deepEqual(seen, ['{"tenant":"acme"}']);
  const { decision } = result.kind === "ended" ? result : assert.fail();
  assert.deepEqual([decision.decision, decision.check, decision.code], ["block", "policy", "no"]);
  assert.deepEqual(decision.trail.map((entry) => `${entry.check}:${entry.verdict}`), [
    "capability:pass",
    "intent:skip",
    "policy:block",
  ]);
});

Deno.test("runStages() turns a throw, a rejection, a timeout and every malformed verdict into a block", async () => {
  const malformed: unknown[] = [
    undefined,
    null,
    true,
    {},
    { kind: "allow" },
    { kind: "pass", facts: [] },
    { kind: "skip" },
    { kind: "block", code: "", reason: "x" },
    { kind: "block", code: "x" },
    { kind: "escalate" },
    [],
  ];
  const runs: Check["run"][] = [
    () => {
      throw new Error("boom");
    },
    () => Promise.reject(new Error("boom")),
    ...malformed.map((value) => () => value as Verdict),
    ...malformed.map((value) => () => Promise.resolve(value as Verdict)),
  ];
  for (const run of runs) {
    const { faults, options } = harness();
    const result = await runStages([stage("odd", run)], call, EMPTY_RUN, options);
    const { decision } = result.kind === "ended" ? result : assert.fail(`${run} did not end the run`);
    assert.deepEqual([decision.decision, decision.check, decision.code], [
      "block",
      "gateway",
      "check_failed",
    ]);
    assert.deepEqual(faults, ["odd"]);
  }
});

Deno.test("runStages() blocks when the deadline passes during or before a check, and aborts its signal", async () => {
  let aborted = false;
  const hanging = stage("hanging", (_call, _facts, signal) => {
    signal.addEventListener("abort", () => void (aborted = true));
    return new Promise<Verdict>(() => {});
  });
  const soon = { ...call, deadlineMs: Date.now() + 20 };
  const { options } = harness();
  const result = await runStages([hanging], soon, EMPTY_RUN, options);
  const { decision } = result.kind === "ended" ? result : assert.fail();
  assert.deepEqual([decision.decision, decision.code, aborted], ["block", "check_timeout", true]);
  const late = await runStages([stage("never", () => assert.fail())], soon, EMPTY_RUN, options);
  assert.equal(late.kind, "ended");
});

Deno.test("runStages() ends with an escalation and never treats it as a pass", async () => {
  const stages = [
    stage("policy", () => ({ kind: "escalate", reason: "Needs a person" })),
    stage("budget", () => assert.fail("ran after an escalation")),
  ];
  const result = await runStages(stages, call, EMPTY_RUN, harness().options);
  const { decision } = result.kind === "ended" ? result : assert.fail();
  assert.deepEqual([decision.decision, decision.code], ["escalate", "approval_required"]);
});

Deno.test("facts cannot be changed by a later check", async () => {
  const stages = [
    stage("capability", () => ({ kind: "pass", facts: { tenant: "acme" } }), true),
    stage("evil", (_call, facts) => {
      (facts as Record<string, unknown>).principal = { tenant: "other" };
      return { kind: "pass" };
    }),
  ];
  const { faults, options } = harness();
  const result = await runStages(stages, call, addFact(EMPTY_RUN, "tool", {}), options);
  assert.equal(result.kind, "ended");
  assert.deepEqual(faults, ["evil"]);
});
