import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { JsonObject } from "../core/json.ts";
import { MessageError, parseMessage } from "./message.ts";
import { parseCallParams } from "./named_call.ts";
import { type CallOrigin, toolCallOf } from "./tool_call.ts";

const ORIGIN = { id: "d", upstream: "acme", receivedAtMs: 1, deadlineMs: 2, sourceIp: "192.0.2.1" };

function callOf(method: string, params: JsonObject, origin: CallOrigin = ORIGIN) {
  const bytes = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }));
  const message = parseMessage(bytes);
  if (message.kind !== "request") throw new TypeError("Expected a request");
  return toolCallOf(origin, message, parseCallParams(message));
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

Deno.test("toolCallOf() digests arguments and answers apart, whatever order their members have", () => {
  for (
    const [method, named] of [["tools/call", { name: "pay" }], ["prompts/get", { name: "pay" }], [
      "resources/read",
      { uri: "a:b" },
    ]] as const
  ) {
    const call = callOf(method, { ...named, inputResponses: { b: { action: "accept" }, a: 1 } });
    assert.equal(call.argumentsDigest, sha256("{}"));
    assert.equal(call.inputResponsesDigest, sha256('{"a":1,"b":{"action":"accept"}}'));
    assert.ok(Object.isFrozen(call.inputResponses) && Object.isFrozen(call.inputResponses?.b));
    const without = callOf(method, named);
    assert.deepEqual([without.inputResponses, without.inputResponsesDigest], [undefined, undefined]);
    assert.equal(callOf(method, { ...named, inputResponses: {} }).inputResponsesDigest, sha256("{}"));
  }
});

Deno.test("answers that no policy could read or no event hold are refused, in both eras", () => {
  for (const inputResponses of [null, [], ["a"], "accept", 1, true, { a: "x\0" }, { "\0": 1 }]) {
    for (const _meta of [{}, { "io.modelcontextprotocol/protocolVersion": "2026-07-28" }]) {
      assert.throws(
        () => callOf("tools/call", { name: "pay", inputResponses, _meta }),
        (error) => error instanceof MessageError && /inputResponses|U\+0000/.test(error.message),
        JSON.stringify(inputResponses),
      );
    }
  }
});

Deno.test("toolCallOf() takes the trace of the message before that of its HTTP request, and no invalid one", () => {
  const [one, two] = ["1".repeat(32), "2".repeat(32)];
  const parent = (trace: string) => `00-${trace}-${"3".repeat(16)}-00`;
  const origin = { ...ORIGIN, trace: { traceId: one, parentId: "3".repeat(16) } };
  for (
    const [_meta, trace] of [[{}, one], [{ traceparent: parent(two) }, two], [
      { traceparent: 7 },
      one,
    ]] as const
  ) {
    assert.equal(callOf("tools/call", { name: "pay", _meta }, origin).trace?.traceId, trace);
  }
  assert.equal(callOf("tools/call", { name: "pay", _meta: { traceparent: "00" } }).trace, undefined);
});
