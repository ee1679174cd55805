import assert from "node:assert/strict";
import { parsePolicyResult } from "./result.ts";

const resultSet = (decision: unknown) => [{ result: decision }];
const refused = { name: "GatewayError", code: "policy_failed" };

Deno.test("parsePolicyResult() reads the three decisions", () => {
  const good = [
    { decision: "allow" },
    { decision: "allow", code: "read_only" },
    { decision: "allow", code: "read_only", reason: "It only reads" },
    { decision: "block", code: "too_much", reason: "The amount is too high" },
    { decision: "escalate", code: "destructive", reason: "A human must decide" },
  ];
  for (const answer of good) assert.deepEqual(parsePolicyResult(resultSet(answer)), answer);
});

Deno.test("parsePolicyResult() refuses a result set that is not exactly one object", () => {
  const allow = { decision: "allow" };
  const odd = [undefined, null, true, {}, allow, [], [null], [allow], [{}], resultSet(null), resultSet(true)];
  for (
    const set of [...odd, resultSet("allow"), resultSet([allow]), [{ result: allow }, { result: allow }]]
  ) {
    assert.throws(() => parsePolicyResult(set), refused, JSON.stringify(set));
  }
});

Deno.test("parsePolicyResult() refuses any other decision", () => {
  for (const decision of [undefined, null, true, 1, "", "Allow", "allow ", "deny", "pass", ["allow"]]) {
    const answer = { decision, code: "some_code", reason: "Some reason" };
    assert.throws(() => parsePolicyResult(resultSet(answer)), refused, JSON.stringify(decision));
  }
});

Deno.test("parsePolicyResult() refuses a refusal that does not say why", () => {
  for (const decision of ["block", "escalate"]) {
    for (const rest of [{}, { code: "some_code" }, { reason: "Some reason" }]) {
      assert.throws(() => parsePolicyResult(resultSet({ decision, ...rest })), refused);
    }
  }
});

Deno.test("parsePolicyResult() refuses odd codes, reasons and members", () => {
  const odd: Record<string, unknown>[] = [
    ...[null, 1, "", "Code", "9code", "a b", "a\n", "a".repeat(65)].map((code) => ({ code })),
    ...[null, 1, "", "a\nb", "a\0b", "\u009b31m", "\ud800", "a".repeat(501)].map((reason) => ({ reason })),
    { requires_step_up: true },
    { allow: true },
  ];
  for (const decision of ["allow", "block", "escalate"]) {
    for (const rest of odd) {
      const answer = { decision, code: "some_code", reason: "Some reason", ...rest };
      assert.throws(() => parsePolicyResult(resultSet(answer)), refused, JSON.stringify(answer));
    }
  }
});

Deno.test("parsePolicyResult() does not repeat what the policy said", () => {
  const secret = "4111111111111111";
  for (const answer of [{ decision: secret }, { decision: "allow", code: secret }, { [secret]: 1 }]) {
    assert.throws(
      () => parsePolicyResult(resultSet(answer)),
      (error: Error) => error.name === "GatewayError" && !error.message.includes(secret),
    );
  }
});
