import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { ChangeSubscriptions } from "./change_subscriptions.ts";
import { Conversation } from "./conversation.ts";

/** The subscriptions of a legacy link whose upstream refuses what `refuses` says. */
function setup(refuses: (method: string, uri: string) => boolean) {
  const conversation: Conversation = new Conversation({
    channel: {
      send: ({ id = 0, method, params }) => {
        const { uri } = params as { uri: string };
        const answer: JsonObject = refuses(String(method), uri)
          ? { error: { code: -32602, message: "no" } }
          : { result: {} };
        queueMicrotask(() => conversation.receive(JSON.stringify({ jsonrpc: "2.0", id, ...answer })));
        return Promise.resolve();
      },
      cancel: () => {},
    },
    ...{ isExclusive: false, carriesTrace: false },
  });
  const changes = new ChangeSubscriptions({
    conversation,
    link: { upstream: "fs", maxMessageBytes: 1_000 },
    info: { era: "legacy", protocolVersion: "2025-11-25", serverInfo: {}, capabilities: {} },
    signal: new AbortController().signal,
  });
  return (uri: string) => changes.listen({ resourceSubscriptions: [uri] }, () => {});
}

Deno.test("a resource that the upstream refuses to one keeps nobody else from watching another", async () => {
  const listen = setup((_method, uri) => uri === "bad");
  const outcomes = await Promise.allSettled([listen("first"), listen("bad"), listen("last")]);
  assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
});

Deno.test("an upstream that does not let go of a resource keeps nobody from watching another", async () => {
  const listen = setup((method) => method === "resources/unsubscribe");
  const stop = await listen("first");
  const watching = listen("second");
  stop();
  await watching;
});

Deno.test("a modern upstream that refuses a resource refuses it to everybody who asks for it", async () => {
  const conversation: Conversation = new Conversation({
    channel: {
      send: ({ id = 0, params }, pending) => {
        const answer: JsonObject = JSON.stringify(params).includes('"bad"')
          ? { id, error: { code: -32602, message: "no" } }
          : { method: "notifications/subscriptions/acknowledged", params: {} };
        queueMicrotask(() => conversation.receive(JSON.stringify({ jsonrpc: "2.0", ...answer }), pending));
        return Promise.resolve();
      },
      cancel: () => {},
    },
    ...{ isExclusive: false, carriesTrace: false },
  });
  conversation.era = "modern";
  const closing = new AbortController();
  const changes = new ChangeSubscriptions({
    conversation,
    link: { upstream: "fs", maxMessageBytes: 1_000 },
    info: { era: "modern", protocolVersion: "2026-07-28", serverInfo: {}, capabilities: {} },
    signal: closing.signal,
  });
  const listen = (uri: string) => changes.listen({ resourceSubscriptions: [uri] }, () => {});
  await listen("good");
  const outcomes = await Promise.allSettled([listen("bad"), listen("bad")]);
  assert.deepEqual(outcomes.map(({ status }) => status), ["rejected", "rejected"]);
  await listen("fine");
  closing.abort();
  conversation.end("closed");
});
