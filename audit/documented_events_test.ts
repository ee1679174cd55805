/** The examples in docs/reference/audit_events.md are what is written, member by member. */
import assert from "node:assert/strict";
import type { JsonObject } from "../core/json.ts";
import { adminEvent } from "./admin_event.ts";
import { decisionEvent } from "./event.ts";
import { gapEntry } from "./gap_event.ts";
import { installationEvent } from "./installation_event.ts";
import { failedLoginsEvent } from "./login_event.ts";
import { startedEvent } from "./process_event.ts";
import { canonicalEvent } from "./shorten.ts";

const PAGE = new URL("../docs/reference/audit_events.md", import.meta.url);
const source = {
  logId: "ScBiOS7_AO8IwHOrAuBlbg",
  version: "1.4.0",
  replicaId: "649e016b1a8743678641f246c7465da6",
  configDigest: "c1060661e8c67a59499d4444f3b52a6b513c50f7844668ca96e37cd0d2e2128e",
};
const BLOCK_ID = "0mFTUjCgPNLz5GuXpXIY95a6_kbkYGFINBiyx0ruVII";
const CHECKPOINT_KEY = "qs8QcFwHDLKWRp+9s3NC7I0ssTIUdcxt7/kohPrOmkQ=";
const FINGERPRINT = "3bead65b162f1d160436f45b648a7318";
const DECISION_ID = "01a22143-74e1-7f73-9c98-f5d079318345";
const REASON = "The token covers this tool only by a pattern and the tool is not annotated as read-only";
const when = { timeMs: 1_795_854_398_396, settingsVersion: 3 };
const eventId = (last: string) => `01a22143-75e8-7894-b0ca-1a07276295${last}`;

const EXAMPLES: Readonly<Record<string, JsonObject>> = {
  "call.decided": decisionEvent(source, {
    ...when,
    ...{ eventId: eventId("9f"), tenant: "acme", salt: new Uint8Array(32), values: { reason: REASON } },
    call: {
      ...{ id: DECISION_ID, upstream: "erp", method: "tools/call", name: "pay_invoice" },
      ...{ arguments: { invoice_id: "INV-1001", amount_cents: 12_500 }, argumentsDigest: "ab".repeat(32) },
      ...{ receivedAtMs: 1, deadlineMs: 2, sourceIp: "192.0.2.7" },
      trace: {
        traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
        parentId: "00f067aa0ba902b7",
      },
    },
    principal: {
      ...{ tenant: "acme", agent: "invoice-bot", blockIds: [BLOCK_ID], delegates: [] },
      ...{ jti: "EzcMPMHnSSpRJDDKgBOOyw", issuedAt: 1, expiresAt: 2 },
    },
    decision: {
      ...{ decision: "escalate", check: "policy", code: "approval_required" },
      reason: REASON,
      trail: [
        { check: "capability", verdict: "pass", micros: 167 },
        { check: "policy", verdict: "escalate", micros: 84 },
      ],
      facts: { tool: { arguments: "valid", pin: { state: "pinned", digest: `v1:${"0f".repeat(32)}` } } },
    },
  }),
  "login.failed": failedLoginsEvent(source, {
    ...{ ...when, eventId: eventId("a0"), code: "operator_unauthenticated", sourceIp: "198.51.100.9" },
    ...{ firstMs: 1_795_854_398_396, lastMs: 1_795_854_399_107, count: 19, mixed: false },
  }),
  "token.minted": adminEvent(source, {
    ...{ ...when, eventId: eventId("a1"), tenant: "acme", code: "token.minted", activity: 1 },
    ...{
      operator: { id: "alice", how: "token", role: "operator", tenants: ["acme"] },
      sourceIp: "192.0.2.20",
    },
    entity: {
      type: "capability_token",
      uid: BLOCK_ID,
      data: {
        ...{ kid: "k1", iss: "intentgate", aud: source.logId, tenant: "acme", sub: "invoice-bot" },
        ...{ iat: 1_795_854_398, exp: 1_795_857_998, upstreams: ["*"], tools: ["read_invoice"] },
        ...{ max_calls: 100, args_of: [], jti: "EzcMPMHnSSpRJDDKgBOOyw" },
      },
    },
  }),
  "checkpoint_key.activated": installationEvent(source, {
    ...{ ...when, eventId: eventId("a2"), code: "checkpoint_key.activated" },
    entity: { type: "checkpoint_key", uid: CHECKPOINT_KEY, data: { algorithm: "Ed25519" } },
  }),
  "gateway.started": startedEvent(source, {
    ...{ ...when, eventId: eventId("a3"), database: "postgres", checkpointKeys: [CHECKPOINT_KEY] },
    masterKey: { kid: "k1", fingerprint: FINGERPRINT },
    previous: {
      ...{ config_digest: source.configDigest, replica: "e5c2c19fd9a04c41b9a1a3a0bb3d1e63" },
      ...{ time: 1_795_767_998_000, version: "1.3.2" },
    },
  }),
};

/** What nothing but an outage would make. */
const GAP = gapEntry(source, {
  ...{ eventId: eventId("a4"), chain: "acme", what: "decisions", reason: "bound", count: 512 },
  ...{ startMs: 1_795_854_398_396, endMs: 1_795_854_441_907 },
}, { timeMs: 1_795_854_500_000, settingsVersion: 3 });

Deno.test("the examples in audit_events.md are what the gateway writes", async () => {
  const page = await Deno.readTextFile(PAGE);
  const shown = [...page.matchAll(/```json\n([\s\S]+?)```/g)].map(([, text = ""]) => JSON.parse(text));
  assert.deepEqual(
    Object.fromEntries(shown.map((event) => [event.metadata.event_code, event])),
    Object.fromEntries([
      ...Object.entries(EXAMPLES).map(([code, event]) => [code, JSON.parse(canonicalEvent(event))]),
      ["audit.gap", JSON.parse(GAP.canonical)],
    ]),
  );
  assert.deepEqual(shown.map(({ class_uid }) => class_uid).sort(), [1008, 3002, 3004, 3004, 6002, 6003]);
});
