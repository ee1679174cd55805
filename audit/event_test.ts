import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { Decision, Principal, ToolCall } from "../core/call.ts";
import { canonicalJson } from "../core/canonical_json.ts";
import type { JsonObject } from "../core/json.ts";
import { decisionEvent, outcomeEvent, sourceEndpoint, traceObject } from "./event.ts";

const source = { logId: "log", version: "1.2.3", replicaId: "replica", configDigest: "config" };
const salt = new Uint8Array(32).fill(7);
const call: ToolCall = {
  ...{ id: "decision", upstream: "acme", method: "tools/call", name: "pay_invoice" },
  ...{ arguments: { z: 1, a: 2 }, argumentsDigest: "ab".repeat(32) },
  ...{ receivedAtMs: 1, deadlineMs: 2, sourceIp: "192.0.2.1" },
};
const traced = { ...call, trace: { traceId: "4bf9", parentId: "00f0" } };
const principal: Principal = {
  ...{ tenant: "acme", agent: "billing", blockIds: ["b0", "b1"], delegates: ["d"], jti: "b0" },
  ...{ issuedAt: 1, expiresAt: 2 },
};
const allow: Decision = {
  decision: "allow",
  trail: [{ check: "capability", verdict: "pass", micros: 12 }],
  facts: { policy: { policy_digest: "digest" } },
};
const decisions: readonly Decision[] = [
  allow,
  {
    ...{ decision: "block", check: "policy", code: "not_covered", reason: "Not\0 covered \ud800" },
    trail: [{ check: "policy", verdict: "block", code: "not_covered", micros: 3 }],
    facts: {},
  },
  { decision: "escalate", check: "policy", code: "approval_required", reason: "Ask", trail: [], facts: {} },
];
const input = { eventId: "event", timeMs: 5, tenant: "acme", call, principal, settingsVersion: 3, salt };
const ending = {
  kind: "ok",
  upstreamStatus: 200,
  resultBytes: 9,
  resultDigest: "cd",
  upstreamMs: 1.6,
} as const;
const outcome = {
  ...{ eventId: "event", timeMs: 5, tenant: "acme", decisionId: "decision", upstream: "acme" },
  ...{ operation: "pay_invoice", agent: "billing", sourceIp: "192.0.2.1", settingsVersion: 3, salt },
};

Deno.test("decisionEvent() says who asked for what and what was answered", () => {
  const hmac = createHmac("sha256", salt).update(call.argumentsDigest).digest("hex");
  assert.deepEqual(JSON.parse(canonicalJson(decisionEvent(source, { ...input, decision: allow }))), {
    ...{ action_id: 1, activity_id: 99, activity_name: "tools/call", category_uid: 6, class_uid: 6003 },
    ...{ disposition_id: 1, severity_id: 1, status: "Success", status_id: 1, time: 5, type_uid: 600399 },
    actor: { app_name: "billing", app_uid: "billing", session: { uid: "b0" } },
    api: { operation: "pay_invoice", request: { uid: "decision" }, service: { name: "acme" } },
    dst_endpoint: { svc_name: "acme" },
    message: 'tools/call of "pay_invoice" on "acme": allow',
    message_context: {
      ai_role_id: 4,
      application: { name: "billing" },
      service: { name: "acme" },
    },
    metadata: {
      ...{ correlation_uid: "decision", event_code: "call.decided", log_name: "log", tenant_uid: "acme" },
      ...{ uid: "event", version: "1.8.0", profiles: ["ai_operation", "security_control"] },
      product: { name: "IntentGate", vendor_name: "IntentGate", version: "1.2.3" },
    },
    src_endpoint: { ip: "192.0.2.1" },
    unmapped: {
      arguments: { digest: hmac, names: ["z", "a"] },
      ...{ block_ids: ["b0", "b1"], config_digest: "config", decision: "allow", delegates: ["d"], jti: "b0" },
      ...{ method: "tools/call", policy_digest: "digest", replica: "replica", settings_version: 3 },
      trail: [{ check: "capability", micros: 12, verdict: "pass" }],
    },
  });
});

Deno.test("events of calls stand in canonical order, so that they are written without another copy", () => {
  const events = [
    ...decisions.map((decision) => decisionEvent(source, { ...input, decision })),
    decisionEvent(source, { ...input, decision: allow, annotations: { readOnlyHint: true } }),
    decisionEvent(source, { ...input, decision: allow, call: traced }),
    outcomeEvent(source, { ...outcome, ending, trace: traceObject(traced.trace) }),
    outcomeEvent(source, { ...outcome, ending }),
    outcomeEvent(source, { ...outcome, ending: { kind: "unknown", code: "timeout" } }),
  ];
  for (const event of events) assert.equal(JSON.stringify(event), canonicalJson(event));
});

Deno.test("decisionEvent() holds the digest of the client's answers to an upstream's questions under the salt", () => {
  const answering = { ...call, inputResponses: { ok: true }, inputResponsesDigest: "ef".repeat(32) };
  const event = decisionEvent(source, { ...input, call: answering, decision: allow });
  const digest = createHmac("sha256", salt).update(answering.inputResponsesDigest).digest("hex");
  assert.deepEqual((event.unmapped as JsonObject).input_responses, { digest });
  assert.equal(JSON.stringify(event), canonicalJson(event));
});

Deno.test("decisionEvent() keeps a refusal recordable whatever a check said", () => {
  const event = decisionEvent(source, { ...input, decision: { ...decisions[1]!, check: "capability" } });
  assert.equal(event.status_detail, "Not\ufffd covered \ufffd");
});

Deno.test("outcomeEvent() holds the digest of the result only under the salt", () => {
  const members = (event: Parameters<typeof outcomeEvent>[1]) => outcomeEvent(source, event).unmapped;
  const digest = createHmac("sha256", salt).update("cd").digest("hex");
  assert.equal((members({ ...outcome, ending }) as { result_digest?: string }).result_digest, digest);
  assert.equal(
    JSON.stringify(members({ ...outcome, ending, salt: undefined })).includes("result_digest"),
    false,
  );
});

Deno.test("events of a call in a trace name it, and claim the profile only then", () => {
  const decided = decisionEvent(source, { ...input, decision: allow, call: traced });
  const profiles = ["ai_operation", "security_control", "trace"];
  assert.deepEqual([decided.trace, (decided.metadata as JsonObject).profiles], [
    { uid: "4bf9" },
    profiles,
  ]);
  assert.equal((decided.unmapped as JsonObject).trace_parent, "00f0");
  const ended = outcomeEvent(source, { ...outcome, ending, trace: { uid: "4bf9" } });
  assert.deepEqual([ended.trace, (ended.metadata as JsonObject).profiles], [{ uid: "4bf9" }, profiles]);
  assert.equal(JSON.stringify(outcomeEvent(source, { ...outcome, ending })).includes("trace"), false);
});

Deno.test("an address that nobody knows is named and not made up", () => {
  const endpoints = ["2001:db8::1", "unknown", ""].map(sourceEndpoint);
  assert.deepEqual(endpoints, [{ ip: "2001:db8::1" }, { name: "unknown" }, { name: "unknown" }]);
});

Deno.test("decisionEvent() holds the first argument names, and no more of one than it may have", () => {
  const names = [
    "short",
    "n".repeat(900),
    "\u{1f600}".repeat(100),
    ...Array.from({ length: 80 }, (_, at) => `n${at}`),
  ];
  const called = { ...call, arguments: Object.fromEntries(names.map((name) => [name, 1])) };
  const { unmapped } = decisionEvent(source, { ...input, decision: allow, call: called }) as {
    unmapped: JsonObject;
  };
  const { names: recorded } = unmapped.arguments as { names: string[] };
  const marked = [
    `${"n".repeat(128)}\u2026 [772 characters cut]`,
    `${"\u{1f600}".repeat(64)}\u2026 [72 characters cut]`,
  ];
  assert.deepEqual(recorded, ["short", ...marked, ...names.slice(3, 64)]);
});
