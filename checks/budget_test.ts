import assert from "node:assert/strict";
import { createCallAttachments } from "../core/attachments.ts";
import type { Check, ToolCall } from "../plugins/contract.ts";
import { budget } from "./budget.ts";

const call = { id: "d1" } as ToolCall;
const signal = new AbortController().signal;

async function setUp() {
  const attachments = createCallAttachments();
  const check: Check = await budget({ attachments }).setup({}, {
    name: "budget",
    nowMs: () => 0,
    log: () => {},
  });
  return { attachments, check };
}

const facts = {
  principal: {
    expires_at: 100,
    root_block_id: "root",
    root_expires_at: 900,
    max_calls: [{ block_id: "root", max: 3 }, { block_id: "child", max: 0 }],
  },
};

Deno.test("budget() skips a token that limits no calls", async () => {
  const { check, attachments } = await setUp();
  assert.equal((await check.run(call, { principal: {} }, signal)).kind, "skip");
  assert.deepEqual(attachments.conditionsOf(call), []);
});

Deno.test("budget() counts every block's limit in the append of the decision, zero included", async () => {
  const { check, attachments } = await setUp();
  assert.equal((await check.run(call, facts, signal)).kind, "pass");
  assert.deepEqual(attachments.conditionsOf(call).map(({ condition }) => condition), [
    { kind: "consume_call", block_id: "root", root_block_id: "root", max: 3, expires_at: 900 },
    { kind: "consume_call", block_id: "child", root_block_id: "root", max: 0, expires_at: 900 },
  ]);
});

Deno.test("budget() gives back only what was proven not to have been forwarded", async () => {
  for (const kind of ["ok", "tool_error", "upstream_failed", "unknown"] as const) {
    const { check, attachments } = await setUp();
    await check.run(call, facts, signal);
    await check.settle?.(call, { kind });
    assert.deepEqual(attachments.effectsOf(call), []);
  }
  const { check, attachments } = await setUp();
  await check.run(call, facts, signal);
  await check.settle?.(call, { kind: "not_forwarded" });
  assert.deepEqual(attachments.effectsOf(call), [
    { kind: "return_call", block_id: "root" },
    { kind: "return_call", block_id: "child" },
  ]);
});

Deno.test("budget() throws on malformed facts, which blocks the call", async () => {
  const { check } = await setUp();
  for (const max_calls of [{}, [{}], [{ block_id: 1, max: 1 }], [{ block_id: "x", max: "1" }]]) {
    assert.throws(
      () =>
        check.run(
          call,
          { principal: { root_block_id: "r", root_expires_at: 900, max_calls } } as never,
          signal,
        ),
      TypeError,
    );
  }
});
