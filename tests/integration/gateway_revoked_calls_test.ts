/** A call that is under way when its token is revoked, or stopped, ends, over every path. */
import assert from "node:assert/strict";
import { Agent, type Answer } from "../agent.ts";
import { ModernAgent } from "../modern_agent.ts";
import { createDatabaseTests } from "./databases.ts";
import { events, eventually, start, verdict } from "./gateways.ts";

const { test } = createDatabaseTests();

/** A legacy server over HTTP whose tool `slow` answers only at the end of the test. */
function startSlowServer() {
  const end = Promise.withResolvers<void>();
  const told: string[] = [];
  const results: Record<string, unknown> = {
    initialize: {
      ...{ protocolVersion: "2025-11-25", capabilities: { tools: {} } },
      serverInfo: { name: "slow", version: "0" },
    },
    "tools/list": { tools: [{ name: "slow", inputSchema: { type: "object" } }] },
  };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method } = await request.json();
    told.push(method);
    if (id === undefined) return new Response(null, { status: 202 });
    if (method === "tools/call") await end.promise;
    const result = results[method];
    const error = { code: -32601, message: "Method not found" };
    const body = { jsonrpc: "2.0", id, ...(result === undefined ? { error } : { result }) };
    return Response.json(body, method === "initialize" ? { headers: { "mcp-session-id": "s" } } : {});
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    told: (method: string) => told.filter((one) => one === method).length,
    async close() {
      end.resolve();
      await server.shutdown();
    },
  };
}

test("calls under way end when their token is revoked or stopped, over every path; others go on", async (fixture) => {
  const server = startSlowServer();
  const logFile = `${fixture.dataDir}/program.log`;
  const program = new URL("stdio_upstream.ts", import.meta.url).pathname;
  await using gateway = await start(fixture, {
    config: {
      pipeline: [{ check: "capability" }],
      upstreams: {
        http: { url: server.url },
        program: { command: Deno.execPath(), args: ["run", "-A", "--no-config", program, logFile] },
      },
    },
  });
  const mint = (agent: string) =>
    gateway.mint({ tenant: "default", agent, ttl_seconds: 600, upstreams: ["*"], tools: ["*"] });
  const [bad, good] = [await mint("bad"), await mint("good")];
  const atProgram = async () =>
    (await Deno.readTextFile(logFile).catch(() => "")).split("tools/call").length - 1;

  const ways = {
    "the same era": async (token: string) => (await Agent.connect(gateway.url, "http", token)).call("slow"),
    "the other era": async (token: string) =>
      await new ModernAgent(`${gateway.url}/mcp/http`, token).call("slow"),
    "a program": async (token: string) => (await Agent.connect(gateway.url, "program", token)).call("slow"),
    "all on one URL": async (token: string) =>
      (await Agent.connect(gateway.url, undefined, token)).call("http__slow"),
  };
  /** Begins one call on each way, and waits until all are at their upstream. */
  const begin = async (token: string): Promise<readonly Promise<Answer>[]> => {
    const before = server.told("tools/call") + await atProgram();
    const calls = Object.values(ways).map((call) => call(token));
    for (const call of calls) call.catch(() => {});
    const arrived = async () => server.told("tools/call") + await atProgram() - before === calls.length;
    await eventually(arrived, "the calls", 30_000);
    return calls;
  };
  const others = await begin(good.token);
  let ended = 0;
  for (const call of others) call.then(() => ended++, () => ended++);
  const ends = {
    "/api/v1/kill-switches": { scope: "agent", tenant: "default", value: "bad", reason: "test" },
    "/api/v1/revocations": { tenant: "default", jti: bad.jti, reason: "test" },
  };
  for (const [path, body] of Object.entries(ends)) {
    const calls = await begin(bad.token);
    const answer = await gateway.api("POST", path, body);
    assert.equal(answer.status, 201);
    const startedMs = performance.now();
    for (const [index, call] of calls.entries()) {
      const { message, text } = await call;
      assert.equal(message?.error?.data?.code, "outcome_unknown", `${Object.keys(ways)[index]}: ${text}`);
    }
    assert.ok(performance.now() - startedMs < 5_000);
    const { number } = await answer.json();
    if (path.endsWith("kill-switches")) {
      await gateway.api("POST", `${path}/${number}/release`, { reason: "over" });
      const stopped = new ModernAgent(`${gateway.url}/mcp/http`, bad.token);
      const isServed = async () => (await stopped.request("server/discover")).message.result !== undefined;
      await eventually(isServed, "the release");
    }
  }
  assert.ok(server.told("notifications/cancelled") >= 2, "the upstream is told");
  assert.equal(ended, 0, "calls of another token go on");
  const unknown = async () =>
    (await events(gateway, "default")).filter(({ unmapped }) => unmapped.outcome === "unknown").length;
  await eventually(async () => await unknown() === 8, "an outcome of each call");
  await server.close();
  await Promise.allSettled(others.slice(0, 2));
  assert.equal(await verdict(gateway, "default"), "verified");
});
