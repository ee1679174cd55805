import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import { ServerRequestError } from "../upstream_link.ts";
import { Conversation } from "./conversation.ts";
import { requestOf, until } from "./link_fixture.ts";
import { MAX_PENDING } from "./link_options.ts";

/** A conversation whose sent messages are kept. */
function converse(isExclusive = false) {
  const sent: JsonObject[] = [];
  const cancelled: [number, string][] = [];
  const conversation = new Conversation({
    channel: {
      send: (message, pending) => {
        if (pending !== undefined) pending.isSent = true;
        sent.push(message);
        return Promise.resolve();
      },
      cancel: (pending, reason) => void cancelled.push([pending.id, reason]),
    },
    ...{ isExclusive, carriesTrace: true },
  });
  const receive = (message: object) => conversation.receive(JSON.stringify({ jsonrpc: "2.0", ...message }));
  return { conversation, sent, cancelled, receive };
}

Deno.test("Conversation gives every request an id of its own and every answer to its request", async () => {
  const { conversation, sent, receive } = converse();
  const first = conversation.request(requestOf("a"));
  const second = conversation.request(requestOf("b"));
  assert.deepEqual(sent.map(({ id, method }) => [id, method]), [[1, "a"], [2, "b"]]);
  receive({ id: 2, result: { of: "b" } });
  receive({ id: 1, error: { code: -5, message: "no" } });
  receive({ id: 1, result: { late: true } });
  receive({ id: "2", result: { foreign: true } });
  assert.deepEqual(await first, { kind: "error", error: { code: -5, message: "no" } });
  assert.deepEqual(await second, { kind: "result", result: { of: "b" }, text: '{"of":"b"}' });
  assert.equal(conversation.pending.size, 0);
});

Deno.test("Conversation writes its own progress token and gives progress back without it", async () => {
  const { conversation, sent, receive } = converse();
  const seen: JsonObject[] = [];
  const params = { _meta: { progressToken: "the agent's", own: 1 }, name: "t" };
  const answer = conversation.request(requestOf("tools/call", { params, onProgress: (p) => seen.push(p) }));
  assert.deepEqual(sent[0]?.params, { name: "t", _meta: { own: 1, progressToken: 1 } });
  receive({ method: "notifications/progress", params: { progressToken: 1, progress: 5 } });
  receive({ method: "notifications/progress", params: { progressToken: 9, progress: 6 } });
  receive({ id: 1, result: {} });
  await answer;
  assert.deepEqual(seen, [{ progress: 5 }]);
});

Deno.test("Conversation tells the upstream of a cancelled or late request, and fails what was sent as unknown", async () => {
  const { conversation, cancelled } = converse();
  const agent = new AbortController();
  const stopped = conversation.request(requestOf("a", { signal: agent.signal }));
  agent.abort();
  await assert.rejects(stopped, { code: "cancelled", kind: "unknown" });
  await assert.rejects(conversation.request(requestOf("b", { timeoutMs: 20 })), { code: "timeout" });
  assert.deepEqual(cancelled, [[1, "cancelled"], [2, "timeout"]]);
});

Deno.test("Conversation resets the idle time with whatever belongs to the request", async () => {
  const { conversation, receive, cancelled } = converse();
  const onProgress = () => {};
  const answer = conversation.request(requestOf("a", { idleTimeoutMs: 80, onProgress }));
  for (let step = 0; step < 6; step++) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    receive({ method: "notifications/progress", params: { progressToken: 1, progress: step } });
  }
  assert.equal(cancelled.length, 0);
  await assert.rejects(answer, { code: "timeout" });
  assert.deepEqual(cancelled, [[1, "idle_timeout"]]);
});

Deno.test("Conversation hands a request of the upstream only to the one client that it can be meant for", async () => {
  const ask = { id: "s1", method: "roots/list" };
  const shared = converse();
  void shared.conversation.request(requestOf("a", { onServerRequest: () => Promise.resolve({ roots: [] }) }));
  shared.receive(ask);
  assert.deepEqual(shared.sent.at(-1)?.error, { code: -32601, message: "Method not found" });

  const own = converse(true);
  void own.conversation.request(requestOf("a", { onServerRequest: () => Promise.resolve({ roots: [] }) }));
  own.receive(ask);
  await until(() => own.sent.length === 2, "the answer");
  assert.deepEqual(own.sent[1], { jsonrpc: "2.0", id: "s1", result: { roots: [] } });

  const without = converse(true);
  void without.conversation.request(requestOf("a"));
  without.receive(ask);
  assert.deepEqual(without.sent.at(-1)?.error, { code: -32601, message: "Method not found" });
  without.receive({ id: 4, method: "ping" });
  assert.deepEqual(without.sent.at(-1), { jsonrpc: "2.0", id: 4, result: {} });
  for (const { conversation } of [shared, own, without]) conversation.end("closed");
});

Deno.test("Conversation puts a question to nobody when it may be meant for several", async () => {
  const { conversation, receive, sent } = converse(true);
  const asked: string[] = [];
  const request = (name: string, listensAs?: string) => {
    const stop = new AbortController();
    const onServerRequest = () => {
      asked.push(name);
      return Promise.resolve({});
    };
    const answer = conversation.request(requestOf(name, {
      ...{ onServerRequest, signal: stop.signal },
      ...(listensAs === undefined ? {} : { listensAs }),
    }));
    answer.catch(() => {});
    return () => stop.abort();
  };
  const ends = [request("a", "one"), request("b", "one")];
  receive({ id: "q1", method: "elicitation/create" });
  ends.push(request("c", "two"));
  receive({ id: "q2", method: "elicitation/create" });
  assert.deepEqual(sent.at(-1), {
    ...{ jsonrpc: "2.0", id: "q2", error: { code: -32601, message: "Method not found" } },
  });
  for (const end of ends) end();
  const [endD] = [request("d"), request("e")];
  receive({ id: "q3", method: "elicitation/create" });
  endD?.();
  receive({ id: "q4", method: "elicitation/create" });
  await until(() => sent.some(({ id }) => id === "q4"), "the answer");
  assert.deepEqual(asked, ["b", "e"]);
  conversation.end("closed");
});

Deno.test("Conversation makes a client's refusal an error for the upstream, and aborts what is taken back", async () => {
  const { conversation, sent, receive } = converse(true);
  const aborted: boolean[] = [];
  void conversation.request(requestOf("a", {
    onServerRequest: (method, _params, signal) => {
      if (method === "sampling/createMessage") throw new ServerRequestError(-1, "User rejected");
      return new Promise((resolve) =>
        signal.addEventListener("abort", () => {
          aborted.push(true);
          resolve({});
        })
      );
    },
  }));
  receive({ id: 1, method: "sampling/createMessage" });
  await until(() => sent.length === 2, "the refusal");
  assert.deepEqual(sent[1], { jsonrpc: "2.0", id: 1, error: { code: -1, message: "User rejected" } });
  receive({ id: 2, method: "elicitation/create" });
  receive({ method: "notifications/cancelled", params: { requestId: 2 } });
  await until(() => aborted.length === 1, "the abort");
  assert.equal(sent.length, 2);
  conversation.end("closed");
});

Deno.test("Conversation holds a bounded number of requests, and fails all when the connection ends", async () => {
  const { conversation } = converse();
  const open = Array.from({ length: MAX_PENDING }, () => conversation.request(requestOf("a")));
  await assert.rejects(conversation.request(requestOf("a")), {
    code: "too_many_requests",
    kind: "upstream_failed",
  });
  conversation.end("process_exited");
  for (const ended of await Promise.allSettled(open)) {
    assert.ok(ended.status === "rejected" && ended.reason instanceof UpstreamFailure);
    assert.deepEqual([ended.reason.kind, ended.reason.code], ["unknown", "process_exited"]);
  }
});

Deno.test("Conversation passes on change notices to those who want them and no others", () => {
  const { conversation, receive } = converse();
  const seen: string[] = [];
  conversation.hub.add({ toolsListChanged: true }, (method) => seen.push(`1 ${method}`));
  const stop = conversation.hub.add(
    { resourceSubscriptions: ["file:///a"] },
    (_m, { uri }) => seen.push(`2 ${uri}`),
  );
  receive({ method: "notifications/tools/list_changed" });
  receive({ method: "notifications/prompts/list_changed" });
  for (const uri of ["file:///a", "file:///a/b", "file:///ab"]) {
    receive({ method: "notifications/resources/updated", params: { uri } });
  }
  stop();
  receive({ method: "notifications/resources/updated", params: { uri: "file:///a" } });
  assert.deepEqual(seen, ["1 notifications/tools/list_changed", "2 file:///a", "2 file:///a/b"]);
});

Deno.test("Conversation ends a request at once whose answer cannot be used", async () => {
  for (
    const rest of [
      '"result":{"text":"half of a pair: \\ud83d"}',
      '"result":{"a":1,"a":2}',
      '"result":[]',
      '"result":{},"error":{"code":1,"message":""}',
      '"error":{"code":"x"}',
    ]
  ) {
    const { conversation } = converse();
    const answer = conversation.request(requestOf("tools/call"));
    const other = conversation.request(requestOf("tools/call"));
    assert.equal(conversation.receive(`{"jsonrpc":"2.0","id":1,${rest}}`), "unusable");
    await assert.rejects(answer, { kind: "upstream_failed", code: "not_mcp" }, rest);
    assert.equal(conversation.pending.size, 1);
    conversation.end("closed");
    await assert.rejects(other);
  }
});
