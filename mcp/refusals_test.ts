import assert from "node:assert/strict";
import type { Refusal } from "./port.ts";
import { REFUSAL_CODES, refusalCode, refusalResponse } from "./refusals.ts";

const refusal = (change: Partial<Refusal>): Refusal => ({
  check: "policy",
  code: "denied",
  reason: "Not allowed",
  decisionId: "d",
  unauthenticated: false,
  ...change,
});

const CODES: readonly (readonly [string, number])[] = [
  ["capability", -31010],
  ["intent", -31011],
  ["policy", -31012],
  ["budget", -31013],
  ["memory-provenance", -31014],
  ["memory_provenance", -31014],
  ["some-plugin", -31015],
  ["constructor", -31015],
  ["__proto__", -31015],
  ["gateway", -31016],
  ["result", -31017],
  ["identity", -31018],
  ["approval", -31019],
];
Deno.test("refusalCode() goes by the check, and an unknown check is an external one", () => {
  for (const [check, code] of CODES) assert.equal(refusalCode(refusal({ check })), code, check);
  assert.equal(refusalCode(refusal({ code: "approval_pending" })), -31019);
});

Deno.test("refusal codes lie outside what JSON-RPC and MCP reserve", () => {
  for (const code of Object.values(REFUSAL_CODES)) assert.ok(code > -32000 || code < -32768);
});

Deno.test("docs/reference/mcp.md lists every refusal code", async () => {
  const page = await Deno.readTextFile(new URL("../docs/reference/mcp.md", import.meta.url));
  for (const [check, code] of CODES.filter(([name]) => !name.includes("_") && name !== "constructor")) {
    assert.ok(
      page.includes(String(code).replace("-", "−")) || page.includes(String(code)),
      `${check} ${code}`,
    );
  }
});

Deno.test("refusalResponse() answers an unauthenticated call with 401 whatever the style is", () => {
  for (const style of ["error", "tool_result"] as const) {
    const response = refusalResponse(refusal({ unauthenticated: true }), 1, { hasCredential: true, style });
    assert.equal(response.status, 401);
  }
});

Deno.test("refusalResponse() never gives a tool result to a message without an id", async () => {
  const response = refusalResponse(refusal({}), null, { hasCredential: true, style: "tool_result" });
  assert.equal((await response.json()).error.code, -31012);
});

Deno.test("a refusal as a tool result says in the modern era that it is whole, and in the legacy era nothing", async () => {
  const how = { hasCredential: true, style: "tool_result" } as const;
  const modern = await refusalResponse(refusal({}), 1, { ...how, isModern: true }).json();
  assert.equal(modern.result.resultType, "complete");
  const { result } = await refusalResponse(refusal({}), 1, how).json();
  assert.equal(result.isError, true);
  assert.ok(!("resultType" in result));
});
