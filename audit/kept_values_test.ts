import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { Decision, ToolCall } from "../core/call.ts";
import { MAX_VALUE_BYTES, RECORD_VALUES } from "../core/record_values.ts";
import { decisionEvent } from "./event.ts";
import { isForeignReason, keptValues, valueDigest } from "./kept_values.ts";

const CALL: ToolCall = {
  ...{ id: "decision", upstream: "erp", method: "tools/call", name: "pay", argumentsDigest: "ab".repeat(32) },
  ...{ arguments: { to: "Kari", amount: 9 }, prompt: "Pay Kari", receivedAtMs: 1, deadlineMs: 2 },
  sourceIp: "192.0.2.7",
};
const ALLOW: Decision = { decision: "allow", trail: [], facts: {} };
const REFUSED: Decision = { ...ALLOW, decision: "block", code: "policy_denied", reason: "Kari gets nothing" };

Deno.test("keptValues() keeps what the tenant wants, and nothing unless it says so", () => {
  const kept = RECORD_VALUES.map((keeps) => keptValues(CALL, ALLOW, keeps));
  const args = { arguments: '{"amount":9,"to":"Kari"}' };
  assert.deepEqual(kept, [undefined, args, { ...args, prompt: '{"prompt":"Pay Kari"}' }]);
  const { prompt: _, ...silent } = CALL;
  assert.deepEqual(keptValues(silent, ALLOW, "arguments_and_prompt"), args);
  const long = { ...CALL, arguments: { text: "x".repeat(MAX_VALUE_BYTES) } };
  assert.deepEqual(keptValues(long, ALLOW, "arguments"), {}, "what is too long is not kept");
});

Deno.test("a reason that a policy or an external check worded stands beside the event, the gateway's own inside", () => {
  const event = (decision: Decision) => {
    const values = keptValues(CALL, decision, "none");
    const salt = new Uint8Array(32).fill(1);
    const source = { logId: "log", version: "1", replicaId: "r", configDigest: "c" };
    const principal = {
      ...{ tenant: "acme", agent: "a", blockIds: ["b"], delegates: [], jti: "j", issuedAt: 1, expiresAt: 2 },
    };
    const input = { eventId: "e", timeMs: 1, tenant: "acme", call: CALL, settingsVersion: 1 };
    return { values, event: decisionEvent(source, { ...input, decision, principal, salt, values }) };
  };
  for (const check of ["policy", "my-check", "intent"]) {
    const { values, event: written } = event({ ...REFUSED, check });
    assert.deepEqual(values, { reason: "Kari gets nothing" });
    assert.doesNotMatch(JSON.stringify(written), /Kari/);
    const { reason_digest } = written.unmapped as { reason_digest: string };
    assert.equal(reason_digest, valueDigest(new Uint8Array(32).fill(1), "Kari gets nothing"));
  }
  for (const check of ["capability", "budget", "gateway"]) {
    const { values, event: written } = event({ ...REFUSED, check });
    assert.deepEqual([values, written.status_detail], [undefined, REFUSED.reason]);
  }
  assert.equal(isForeignReason({ check: "policy" }), false, "no reason, nothing to keep");
});

Deno.test("keptValues() replaces what the database cannot hold, so that no refusal goes unrecorded", () => {
  const reason = "a\0b\ud800";
  const values = keptValues(CALL, { ...REFUSED, check: "policy", reason }, "none");
  assert.deepEqual(values, { reason: "a\ufffdb\ufffd" });
});

Deno.test("valueDigest() is HMAC-SHA-256 under the salt of the hex SHA-256 of the text", () => {
  const salt = new Uint8Array(32).fill(3);
  // SHA-256("abc"), FIPS 180-2.
  const inner = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(valueDigest(salt, "abc"), createHmac("sha256", salt).update(inner).digest("hex"));
});
