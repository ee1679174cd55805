import assert from "node:assert/strict";
import { ALL_UPSTREAMS } from "../../core/call.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Caller, LinkedRequest } from "../linked_request.ts";
import { fakeLink, resultOf } from "../links/link_fixture.ts";
import { type LinkKey, LinkPool } from "../links/link_pool.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { LinkAnswer, LinkRequest } from "../upstream_link.ts";
import { LinkServer, type ServedUpstream } from "./link_server.ts";
import { KeptStreams } from "./kept_streams.ts";
import { LinkSessions, MAX_LINK_SESSIONS_PER_PRINCIPAL } from "./link_sessions.ts";

const ALICE: Caller = { tenant: "acme", blockIds: ["alice"] };
const upstream: ServedUpstream = {
  ...{ name: "fs", transport: "stdio", timeout_ms: 1_000, max_response_bytes: 100_000, client_requests: [] },
  ...{ homeTenant: "acme", tenants: ["acme"] },
};
const echo = (request: LinkRequest) => Promise.resolve(resultOf({ echoed: request.params }));

/** A server over links that answer as they are told. */
function setup(
  answer: (request: LinkRequest) => Promise<LinkAnswer> = echo,
  changes: Partial<ServedUpstream> = {},
  more: readonly ServedUpstream[] = [],
) {
  const opened: LinkKey[] = [];
  const links: ReturnType<typeof fakeLink>[] = [];
  const pool = new LinkPool({
    steadyMs: () => performance.now(),
    open: (key) => {
      opened.push(key);
      links.push(fakeLink("legacy", answer));
      return Promise.resolve(links.at(-1) as ReturnType<typeof fakeLink>);
    },
  });
  let ids = 0;
  const changed: string[] = [];
  const server = new LinkServer({
    onToolsChanged: (name) => changed.push(name),
    ...{ pool, replicaId: "one", newId: () => `id${++ids}`, steadyMs: () => performance.now() },
    upstreams: [{ ...upstream, ...changes }, ...more],
  });
  return {
    ...{ server, opened, links, changed },
    close: async () => {
      server.close();
      await pool.close();
    },
  };
}

function request(message: JsonObject, changes: Partial<LinkedRequest> = {}, session?: string): LinkedRequest {
  return {
    ...{ method: "POST", caller: ALICE, signal: new AbortController().signal },
    headers: new Headers(session === undefined ? {} : { "mcp-session-id": session }),
    body: new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", ...message })),
    ...changes,
  };
}

const initialize = request({ id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } });
const call = { id: 2, method: "tools/call", params: { name: "read" } };

async function connect(server: LinkServer, name = "fs"): Promise<string> {
  const response = await server.serve(name)(initialize);
  await response.body?.cancel();
  return response.headers.get("mcp-session-id") ?? "";
}

Deno.test("LinkServer serves a session to the principal that opened it, and to nobody else", async () => {
  const { server, close } = setup();
  const session = await connect(server);
  const serve = server.serve("fs");
  const answered = await serve(request(call, {}, session));
  assert.deepEqual((await answered.json()).result, { echoed: { name: "read" } });
  for (const caller of [{ ...ALICE, tenant: "other" }, { ...ALICE, blockIds: ["bob"] }, undefined]) {
    for (const method of ["POST", "GET", "DELETE"] as const) {
      assert.equal((await serve(request(call, { caller, method }, session))).status, 404);
    }
  }
  assert.equal((await serve(request(call, { method: "DELETE" }, session))).status, 200);
  assert.equal((await serve(request(call, {}, session))).status, 404);
  await close();
});

Deno.test("LinkServer says that a session of another replica is not here", async () => {
  const { server, close } = setup();
  for (const session of ["link.two.id9", "link.one.none", "link.", "other"]) {
    assert.equal((await server.serve("fs")(request(call, {}, session))).status, 404);
  }
  await close();
});

Deno.test("LinkServer bounds the sessions of one principal: the one used longest ago makes room", async () => {
  const { server, close } = setup();
  const first = await connect(server);
  const second = await connect(server);
  await server.serve("fs")(request(call, {}, first)); // used again
  for (let n = 2; n <= MAX_LINK_SESSIONS_PER_PRINCIPAL; n++) await connect(server);
  assert.equal(server.sessions, MAX_LINK_SESSIONS_PER_PRINCIPAL);
  assert.equal((await server.serve("fs")(request(call, {}, first))).status, 200);
  assert.equal((await server.serve("fs")(request(call, {}, second))).status, 404);
  await close();
});

Deno.test("a replica that is full ends a session of the tenant that has the most", () => {
  const pool = new LinkPool({ steadyMs: () => 0, open: () => Promise.reject(new Error("not asked")) });
  const parts = { newId: () => crypto.randomUUID(), steadyMs: () => 0 };
  const sessions = new LinkSessions({
    ...{ ...parts, pool, replicaId: "one", maxSessions: 3, kept: new KeptStreams(parts) },
  });
  const open = (tenant: string, blockId: string) =>
    sessions.open({
      ...{ tenant, blockIds: [blockId], upstreams: [upstream], protocolVersion: "2025-11-25" },
      ...{ capabilities: {}, clientInfo: undefined, shownUri: (_of: string, uri: string) => uri },
    });
  const quiet = open("quiet", "q");
  const [first, second] = [open("busy", "a"), open("busy", "b")];
  open("third", "t");
  const isThere = (one: typeof quiet) => sessions.find(one.options.id, one.options) !== undefined;
  assert.deepEqual([quiet, first, second].map(isThere), [true, false, true]);
  sessions.close();
});

Deno.test("whose token is revoked loses sessions, parked calls and links, and nobody else does", async () => {
  const { server, opened, links, close } = setup(echo, { transport: "http" });
  const session = await connect(server);
  const bob = { ...initialize, caller: { ...ALICE, blockIds: ["bob"] } };
  const bobs = (await server.serve("fs")(bob)).headers.get("mcp-session-id") ?? "";
  server.endWhere((tenant, blockId) => tenant === "acme" && blockId === "alice");
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(opened.map(({ blockIds }) => blockIds), [["alice"], ["bob"]]);
  assert.deepEqual(links.map((link) => link.isOpen()), [false, true]);
  assert.equal((await server.serve("fs")(request(call, {}, session))).status, 404);
  const asBob = request(call, { caller: bob.caller }, bobs);
  assert.equal((await server.serve("fs")(asBob)).status, 200);
  await close();
});

Deno.test("a session ends with the link that it alone uses, and outlives one that others use, too", async () => {
  const shared = setup();
  const session = await connect(shared.server);
  shared.links[0]?.breakOff("process_exited");
  await new Promise((resolve) => setTimeout(resolve, 600)); // the pool leaves a link that broke off alone for a moment
  assert.equal((await shared.server.serve("fs")(request(call, {}, session))).status, 200);
  assert.equal(shared.opened.length, 2);
  await shared.close();
  const own = setup(echo, { transport: "http" });
  const another = await connect(own.server);
  own.links[0]?.breakOff("session_lost");
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal((await own.server.serve("fs")(request(call, {}, another))).status, 404);
  await own.close();
});

Deno.test("a call on a shared link is made once more when the upstream has forgotten the session, and only then", async () => {
  let asked = 0;
  const failing = (kind: "upstream_failed" | "unknown", code: string) => () => {
    if (asked++ === 0) return Promise.reject(new UpstreamFailure(kind, code));
    return Promise.resolve(resultOf({}));
  };
  const forgotten = setup(failing("upstream_failed", "session_lost"));
  const session = await connect(forgotten.server);
  assert.equal((await forgotten.server.serve("fs")(request(call, {}, session))).status, 200);
  assert.equal(asked, 2);
  await forgotten.close();
  asked = 0;
  const broken = setup(failing("unknown", "connection_lost"));
  const other = await connect(broken.server);
  await assert.rejects(broken.server.serve("fs")(request(call, {}, other)), { code: "connection_lost" });
  assert.equal(asked, 1);
  await broken.close();
});

Deno.test("cancelling ends the request with that id, also when it went to several upstreams", async () => {
  const hanging = ({ signal }: LinkRequest) =>
    new Promise<LinkAnswer>((_, reject) => {
      const end = () => reject(new UpstreamFailure("unknown", "cancelled"));
      if (signal.aborted) end();
      else signal.addEventListener("abort", end);
    });
  const { server, close } = setup(hanging);
  const session = await connect(server, ALL_UPSTREAMS);
  const waiting = server.serve("fs")(request(call, {}, session));
  const cancel = { method: "notifications/cancelled", params: { requestId: 2 } };
  assert.equal((await server.serve(ALL_UPSTREAMS)(request(cancel, {}, session))).status, 202);
  await assert.rejects(waiting, { code: "cancelled" });
  await close();
});

Deno.test("an aggregate session reaches only upstreams of its tenant", async () => {
  const { server, opened, close } = setup(echo, { tenants: ["other"] });
  const session = await connect(server, ALL_UPSTREAMS);
  assert.notEqual(session, "");
  assert.equal((await server.serve("fs")(request(call, {}, session))).status, 404);
  assert.deepEqual(opened, []);
  await close();
});

Deno.test("an aggregate session ends with all links of its own, whatever it shares", async () => {
  const { server, opened, links, close } = setup(echo, {}, [{ ...upstream, name: "web", transport: "http" }]);
  const session = await connect(server, ALL_UPSTREAMS);
  const roots = request({ method: "notifications/roots/list_changed" }, {}, session);
  assert.equal((await server.serve(ALL_UPSTREAMS)(roots)).status, 202);
  assert.deepEqual(opened, []);
  for (const name of ["fs", "web"]) {
    assert.equal((await server.serve(name)(request(call, {}, session))).status, 200);
  }
  await server.serve(ALL_UPSTREAMS)(request(call, { method: "DELETE" }, session));
  assert.deepEqual(opened.map(({ upstream: name }) => name), ["fs", "web"]);
  assert.deepEqual(links.map((link) => link.isOpen()), [true, false]);
  await close();
});

Deno.test("an aggregate session leaves changed tools to the front, also with one upstream", async () => {
  const { server, links, changed, close } = setup();
  const [alone, all] = [await connect(server), await connect(server, ALL_UPSTREAMS)];
  let tell: ((method: string, params: JsonObject) => void)[] = [];
  Object.assign(links[0] as object, {
    listen: (_filter: unknown, listener: (method: string, params: JsonObject) => void) => {
      tell.push(listener);
      return Promise.resolve(() => {});
    },
  });
  const listen = async (session: string) => {
    tell = [];
    const stream = await server.serve("fs")(request(call, { method: "GET" }, session));
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (const listener of tell) listener("notifications/tools/list_changed", {});
    return stream;
  };
  const reader = (await listen(alone)).body!.getReader();
  const read = async () => new TextDecoder().decode((await reader.read()).value);
  assert.match(await read() + await read(), /^id: .+\ndata: \n\nid: .+\ndata: .+list_changed/);
  assert.deepEqual(changed, []);
  await listen(all);
  assert.deepEqual(changed, ["fs"]);
  await close();
});

Deno.test("an upstream that asks what it may not is refused, and does not wait", async () => {
  const asks = async (asked: LinkRequest) => {
    const signal = new AbortController().signal;
    const refusal = await asked.onServerRequest?.("sampling/createMessage", {}, signal)
      .catch((error) => ({ code: error.code }));
    return resultOf({ refusal: refusal ?? null });
  };
  const { server, close } = setup(asks, { client_requests: ["elicitation"] });
  const params = {
    protocolVersion: "2025-11-25",
    capabilities: { elicitation: {}, sampling: {} },
  };
  const opened = await server.serve("fs")(request({ id: 1, method: "initialize", params }));
  const session = opened.headers.get("mcp-session-id") ?? "";
  const answer = await server.serve("fs")(request(call, {}, session));
  assert.deepEqual((await answer.json()).result, { refusal: { code: -32601 } });
  await close();
});

Deno.test("a session whose client has gone before its link was open is none", async () => {
  const opening = Promise.withResolvers<ReturnType<typeof fakeLink>>();
  const pool = new LinkPool({ steadyMs: () => performance.now(), open: () => opening.promise });
  const server = new LinkServer({
    ...{ pool, replicaId: "one", newId: () => "id", steadyMs: () => performance.now() },
    upstreams: [upstream],
  });
  const gone = new AbortController();
  const { headers, body } = initialize;
  const opened = server.serve("fs")({ ...initialize, headers, body: body!, signal: gone.signal });
  gone.abort();
  opening.resolve(fakeLink("legacy"));
  await assert.rejects(opened, { code: "cancelled" });
  assert.equal(server.sessions, 0);
  await pool.close();
});
