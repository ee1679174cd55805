import assert from "node:assert/strict";
import { ToolChecks, violationsText } from "./tool_checks.ts";

const INPUT = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };
const OUTPUT = { type: "object", required: ["total"] };
const checks = (changes = {}) =>
  new ToolChecks(INPUT, OUTPUT, { arguments: "enforce", results: "report", ...changes });

Deno.test("ToolChecks hold arguments against the input schema", () => {
  assert.deepEqual(checks().arguments({ n: 1 }), { kind: "valid" });
  const answer = checks().arguments({ n: "secret" });
  assert.deepEqual(answer, { kind: "invalid", violations: [{ pointer: "/n", keyword: "type" }] });
  assert.equal(answer?.kind === "invalid" && violationsText(answer.violations), '"/n" (type)');
  assert.equal(checks({ arguments: "off" }).arguments({ n: "x" }), undefined);
  const odd = new ToolChecks({ $ref: "http://localhost:1/" }, undefined, {
    arguments: "enforce",
    results: "off",
  });
  assert.equal(odd.arguments({})?.kind, "unchecked");
});

Deno.test("ToolChecks hold structured results against the output schema, and let errors be", () => {
  assert.equal(checks().looksAtResults, true);
  assert.equal(checks({ results: "off" }).looksAtResults, false);
  assert.equal(
    new ToolChecks(INPUT, undefined, { arguments: "off", results: "block" }).looksAtResults,
    false,
  );
  assert.equal(checks().result({ content: [], structuredContent: { total: 1 } }).kind, "valid");
  assert.equal(checks().result({ content: [], structuredContent: {} }).kind, "invalid");
  assert.equal(checks().result({ content: [] }).kind, "invalid");
  assert.equal(checks().result({ content: [], isError: true }).kind, "valid");
});
