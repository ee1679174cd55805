import assert from "node:assert/strict";
import { createCallAttachments } from "../core/attachments.ts";
import type { Facts, ToolCall, ToolDefinition } from "../core/call.ts";
import { listingInput, policyInput } from "./input.ts";

const CALL: ToolCall = {
  id: "0199aaaa-0000-7000-8000-000000000000",
  upstream: "acme",
  method: "tools/call",
  name: "pay_invoice",
  arguments: { invoice: "INV-1", amount: 12.5 },
  argumentsDigest: "d".repeat(64),
  prompt: "pay the invoice",
  receivedAtMs: 1_700_000_000_987,
  deadlineMs: 1_700_000_005_987,
  sourceIp: "192.0.2.1",
};
const PRINCIPAL = {
  tenant: "default",
  agent: "billing",
  root_block_id: "b0",
  block_ids: ["b0", "b1"],
  delegates: ["helper"],
  jti: "j",
  issued_at: 1_699_999_000,
  expires_at: 1_700_009_000,
};
const FACTS: Facts = {
  principal: PRINCIPAL,
  capability: { ...PRINCIPAL, named_exactly: true },
  tool: {
    known: true,
    annotations: { readOnlyHint: true },
    description: "Pays",
    pin: { state: "pinned", digest: "v1:d" },
    arguments: "valid",
  },
  intent: { score: 1 },
};

Deno.test("policyInput() builds the whole document", () => {
  assert.deepEqual(policyInput(CALL, FACTS), {
    call: {
      id: CALL.id,
      upstream: "acme",
      method: "tools/call",
      name: "pay_invoice",
      arguments: { invoice: "INV-1", amount: 12.5 },
      received_at: 1_700_000_000,
    },
    tool: {
      known: true,
      annotations: { readOnlyHint: true },
      description: "Pays",
      pin: { state: "pinned", digest: "v1:d" },
      arguments: "valid",
    },
    principal: PRINCIPAL,
    facts: { capability: { ...PRINCIPAL, named_exactly: true }, intent: { score: 1 } },
  });
});

Deno.test("policyInput() never contains the credential", () => {
  const credential = "ig1.c2VjcmV0LWNyZWRlbnRpYWw.c2VjcmV0LXRhZw";
  const attachments = createCallAttachments();
  // Even a credential that was left on the call or the principal by mistake does not get in.
  const call = { ...CALL, credential, headers: { authorization: `Bearer ${credential}` } };
  attachments.attachCredential(call, credential);
  const facts: Facts = {
    ...FACTS,
    principal: { ...PRINCIPAL, credential },
    tool: { ...FACTS.tool, credential },
  };
  assert.equal(JSON.stringify(policyInput(call, facts)).includes("c2VjcmV0"), false);
});

Deno.test("policyInput() describes a tool that is not known", () => {
  const { tool: _, ...without } = FACTS;
  const unknown = {
    known: false,
    annotations: {},
    description: undefined,
    pin: undefined,
    arguments: undefined,
  };
  assert.deepEqual(policyInput(CALL, without).tool, unknown);
  assert.deepEqual(policyInput(CALL, { ...without, tool: { known: false } }).tool, unknown);
});

Deno.test("policyInput() throws without a whole principal", () => {
  const { principal: _, ...without } = FACTS;
  assert.throws(() => policyInput(CALL, without), TypeError);
  assert.throws(() => policyInput(CALL, { ...without, principal: { ...PRINCIPAL, tenant: 1 } }), TypeError);
});

Deno.test("listingInput() is the document of a call without what only a call brings", () => {
  const capability = { ...PRINCIPAL, named_exactly: false };
  const tool: ToolDefinition = {
    ...{ upstream: "acme", name: "pay_invoice", inputSchema: {}, annotations: { readOnlyHint: true } },
    pin: { state: "pinned", digest: "v1:d", seen: "v1:d", isHeld: false },
  };
  const listed = { upstream: "acme", method: "tools/call", name: "pay_invoice", tool, namedExactly: true };
  const input = listingInput(
    listed,
    { principal: PRINCIPAL, capability, other: { secret: 1 } },
    1_700_000_000_987,
  );
  assert.deepEqual(JSON.parse(JSON.stringify(input)), {
    listing: true,
    call: { upstream: "acme", method: "tools/call", name: "pay_invoice", received_at: 1_700_000_000 },
    tool: {
      known: true,
      annotations: { readOnlyHint: true },
      pin: { state: "pinned", digest: "v1:d" },
    },
    principal: PRINCIPAL,
    facts: { capability: { ...PRINCIPAL, named_exactly: true } },
  });
});

Deno.test("listingInput() of a prompt or a resource knows no tool", () => {
  const prompt = { upstream: "acme", method: "prompts/get", name: "greeting" };
  const input = listingInput(prompt, { principal: PRINCIPAL, capability: PRINCIPAL }, 0);
  assert.deepEqual(JSON.parse(JSON.stringify(input)), {
    listing: true,
    call: { ...prompt, received_at: 0 },
    tool: { known: false, annotations: {} },
    principal: PRINCIPAL,
    facts: { capability: PRINCIPAL },
  });
  assert.throws(() => listingInput(prompt, {}, 0), TypeError);
});
