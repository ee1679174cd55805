import assert from "node:assert/strict";
import { canonicalJson } from "../core/canonical_json.ts";
import type { JsonObject } from "../core/json.ts";
import type { Decision, Principal, ToolCall } from "../core/call.ts";
import { adminEvent } from "./admin_event.ts";
import { decisionEvent, outcomeEvent } from "./event.ts";
import { type EventTerms, fitsTerms, needlesOf, TERM_NAMES, termValues } from "./event_terms.ts";

const source = { logId: "log", version: "1", replicaId: "replica", configDigest: "config" };
const salt = new Uint8Array(32);
const call: ToolCall = {
  ...{ id: "decision-1", upstream: "erp", method: "tools/call", name: 'pay "now" \u00fc' },
  ...{ arguments: {}, argumentsDigest: "ab", receivedAtMs: 1, deadlineMs: 2, sourceIp: "192.0.2.1" },
};
const principal: Principal = {
  ...{ tenant: "acme", agent: "billing", blockIds: ["b0", "b1"], delegates: [], jti: "j" },
  ...{ issuedAt: 1, expiresAt: 2 },
};
const block: Decision = {
  ...{ decision: "block", check: "policy", code: "not_covered", reason: "No", trail: [], facts: {} },
};
const common = { eventId: "e", timeMs: 5_000, tenant: "acme", settingsVersion: 1, salt };
const decided = decisionEvent(source, { ...common, call, principal, decision: block });
const ended = outcomeEvent(source, {
  ...{ ...common, decisionId: "decision-1", upstream: "erp", operation: call.name, agent: "billing" },
  ...{ sourceIp: "192.0.2.1", ending: { kind: "ok" } },
});
const byOperator = (code: string, entity: { type: string; uid: string; data: JsonObject }) =>
  adminEvent(source, {
    ...{ ...common, sourceIp: "192.0.2.1", code, activity: 1, entity },
    operator: { id: "ops", how: "token", role: "admin", tenants: "*" },
  });
const minted = byOperator("token.minted", { type: "capability_token", uid: "b0", data: {} });
const revoked = byOperator("revocation.created", {
  ...{ type: "revocation", uid: "1", data: { kind: "block", value: "b1" } },
});

const termsOf = (event: JsonObject) =>
  Object.fromEntries(
    TERM_NAMES.map((name) => [name, termValues(event, name)]).filter(([, found]) => found?.length),
  );

Deno.test("termValues() finds every term where the gateway writes it", () => {
  assert.deepEqual(termsOf(decided), {
    ...{ agent: ["billing"], upstream: ["erp"], tool: [call.name], decision: ["block"], check: ["policy"] },
    ...{ code: ["not_covered"], event_code: ["call.decided"], block_id: ["b0", "b1"] },
    decision_id: ["decision-1"],
  });
  assert.deepEqual(termsOf(ended), {
    ...{ agent: ["billing"], upstream: ["erp"], tool: [call.name], code: ["ok"] },
    ...{ event_code: ["call.ended"], decision_id: ["decision-1"] },
  });
  assert.deepEqual(termsOf(minted), { event_code: ["token.minted"], block_id: ["b0"] });
  assert.deepEqual(termsOf(revoked), { event_code: ["revocation.created"], block_id: ["b1"] });
  assert.deepEqual(termValues({ unmapped: { approval: "a1" } }, "approval"), ["a1"]);
  assert.deepEqual(termValues({ entity: { type: "approval", uid: "a1" } }, "approval"), ["a1"]);
  assert.deepEqual(termValues({ entity: { type: "tenant", uid: "a1" } }, "approval"), []);
});

Deno.test("fitsTerms() wants all that is asked for, and times from the first on and before the second", () => {
  const fits = (asked: EventTerms, event: JsonObject = decided) => fitsTerms(event, asked);
  assert.ok(fits({}) && fits({ agent: "billing", decision: "block", block_id: "b1" }));
  assert.equal(fits({ agent: "billing", decision: "allow" }), false);
  assert.equal(fits({ agent: "bill" }), false);
  assert.ok(
    fits({ from_time: 5 }) && !fits({ from_time: 6 }) && !fits({ to_time: 5 }) && fits({ to_time: 6 }),
  );
  assert.ok(fits({ from_time: 99 }, { time: "?" }), "an event without a time is never left out by one");
});

Deno.test("needlesOf() are texts that stand in the canonical form of every event that fits", () => {
  for (const event of [decided, ended, minted, revoked]) {
    for (const name of TERM_NAMES) {
      for (const value of termValues(event, name)) {
        for (const needle of needlesOf({ [name]: value })) {
          assert.ok(canonicalJson(event).includes(needle), needle);
        }
      }
    }
  }
  const odd = { api: { operation: '\u2028 / \\ " \u001f \u00e9 \u{1f600}' } };
  assert.ok(canonicalJson(odd).includes(needlesOf({ tool: odd.api.operation })[0] ?? assert.fail()));
});
