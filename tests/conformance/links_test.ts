/** Links to tool servers that nobody of us wrote: every transport, both eras, and the bridge between them. */
import assert from "node:assert/strict";
import {
  acceptedContent,
  createMcpHandler,
  fromJsonSchema,
  inputRequired,
  McpServer,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import type { JsonObject } from "../../core/json.ts";
import { createCredentialSource } from "../../mcp/links/credentials.ts";
import { requestForLegacyClient } from "../../mcp/links/legacy_client_bridge.ts";
import { requestOf, until } from "../../mcp/links/link_fixture.ts";
import { LinkPool } from "../../mcp/links/link_pool.ts";
import { openHttpLink } from "../../mcp/links/open_link.ts";
import { type BridgedAnswer, ParkedCalls } from "../../mcp/links/parked_calls.ts";
import { openSseLink } from "../../mcp/links/sse_link.ts";
import { openStdioLink } from "../../mcp/links/stdio_link.ts";
import type { StdioCommand } from "../../mcp/links/stdio_process.ts";
import type { LinkRequest, UpstreamLink } from "../../mcp/upstream_link.ts";
import { freePort } from "../gateway_process.ts";
import {
  installNodeServers,
  installPythonServers,
  makeRepository,
  nodeServer,
  startListener,
  startOidc,
} from "./server_programs.ts";

const OFFERED = { elicitation: {}, sampling: {}, roots: {} };
const limits = { maxMessageBytes: 1024 * 1024, isExclusive: true, clientCapabilities: OFFERED };
const stdio = (command: StdioCommand, changes: object = {}) =>
  openStdioLink({ upstream: "server", command, ...limits, ...changes });
const http = (url: string) => ({ upstream: "server", url, clock: { nowMs: () => Date.now() }, ...limits });

const client = { capabilities: OFFERED, traceHeaders: {} };
const call = (name: string, args: JsonObject = {}, changes: Partial<LinkRequest> = {}) =>
  requestOf("tools/call", { params: { name, arguments: args }, client, timeoutMs: 20_000, ...changes });

async function toolNames(link: UpstreamLink): Promise<string[]> {
  const answer = await link.request(requestOf("tools/list", { client }));
  assert.ok(answer.kind === "result" && Array.isArray(answer.result.tools));
  return answer.result.tools.map((tool) => (tool as { name: string }).name);
}

function textOf(answer: BridgedAnswer | undefined): string {
  assert.ok(answer?.kind === "result", JSON.stringify(answer));
  const content = answer.result.content as readonly { readonly text: string }[];
  return content.map(({ text }) => text).join("\n");
}

const isAlive = (pid: number) =>
  Deno.readTextFile(`/proc/${pid}/stat`).then((stat) => !/\) [ZX] /.test(stat), () => false);

Deno.test("stdio links list, call, follow progress and cancel with the npm servers", async (t) => {
  const packages = await installNodeServers();
  await t.step("server-filesystem", async () => {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    await Deno.writeTextFile(`${folder}/a.txt`, "hello");
    const link = await stdio(nodeServer(packages, "filesystem", [folder]), { clientCapabilities: {} });
    assert.ok((await toolNames(link)).includes("read_text_file"));
    assert.equal(textOf(await link.request(call("read_text_file", { path: `${folder}/a.txt` }))), "hello");
    const outside = await link.request(call("read_text_file", { path: "/etc/passwd" }));
    assert.ok(outside.kind === "result" && outside.result.isError === true);
    await link.close();
  });
  await t.step("server-memory, whose file is all that its environment names", async () => {
    const file = await Deno.makeTempFile();
    const link = await stdio(nodeServer(packages, "memory", [], { MEMORY_FILE_PATH: file }));
    const entities = [{ name: "acme", entityType: "vendor", observations: ["pays late"] }];
    await link.request(call("create_entities", { entities }));
    assert.match(textOf(await link.request(call("read_graph"))), /pays late/);
    assert.match(await Deno.readTextFile(file), /pays late/);
    await link.close();
  });
  await t.step(
    "server-everything: progress, requests to the client, cancellation, watched resources",
    async () => {
      const link = await stdio(nodeServer(packages, "everything", ["stdio"]));
      assert.equal(link.info.era, "legacy");
      const progress: unknown[] = [];
      await link.request(call("trigger-long-running-operation", { duration: 1, steps: 3 }, {
        onProgress: (params) => progress.push(params),
      }));
      assert.deepEqual(progress, [1, 2, 3].map((step) => ({ progress: step, total: 3 })));
      const sampled = await link.request(call("trigger-sampling-request", { prompt: "x", maxTokens: 5 }, {
        onServerRequest: () =>
          Promise.resolve({ model: "m", role: "assistant", content: { type: "text", text: "sampled" } }),
      }));
      assert.match(textOf(sampled), /sampled/);
      const agent = new AbortController();
      setTimeout(() => agent.abort(), 200);
      const long = { duration: 30, steps: 3 };
      await assert.rejects(
        link.request(call("trigger-long-running-operation", long, { signal: agent.signal })),
        {
          code: "cancelled",
        },
      );
      const updated: unknown[] = [];
      const uri = "demo://resource/static/document/features.md";
      const stop = await link.listen(
        { resourceSubscriptions: [uri] },
        (_method, params) => updated.push(params.uri),
      );
      await link.request(call("toggle-subscriber-updates"));
      await until(() => updated.length > 0, "a notice");
      assert.equal(updated[0], uri);
      stop();
      await link.close();
    },
  );
});

Deno.test("stdio links speak the modern era with the Python servers", {
  ignore: Deno.env.get("INTENTGATE_TEST_PYTHON") === "off",
}, async (t) => {
  const programs = await installPythonServers();
  await t.step("mcp-server-time", async () => {
    const link = await stdio({ command: `${programs}/mcp-server-time`, args: [], env: {} });
    assert.equal(link.info.era, "modern");
    assert.deepEqual(await toolNames(link), ["get_current_time", "convert_time"]);
    assert.match(
      textOf(await link.request(call("get_current_time", { timezone: "UTC" }))),
      /"timezone": "UTC"/,
    );
    await link.close();
  });
  await t.step("mcp-server-git", async () => {
    const folder = await makeRepository();
    const link = await stdio({ command: `${programs}/mcp-server-git`, args: ["-r", folder], env: {} });
    assert.match(textOf(await link.request(call("git_status", { repo_path: folder }))), /new\.txt/);
    await link.close();
    await Deno.remove(folder, { recursive: true });
  });
});

Deno.test("a pool restarts a server that was killed, and leaves none behind when it closes", async () => {
  const packages = await installNodeServers();
  const lost: string[] = [];
  let clockMs = 0;
  const pool = new LinkPool({
    open: () => stdio(nodeServer(packages, "memory", [], { MEMORY_FILE_PATH: `${packages}/pool.json` })),
    steadyMs: () => clockMs,
    onLost: (_key, code) => lost.push(code),
  });
  const key = { upstream: "memory", tenant: "acme" };
  const pids = async () => {
    const mine: number[] = [];
    for await (const { name } of Deno.readDir("/proc")) {
      const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
      if (line.includes(`${packages}/node_modules/@modelcontextprotocol/server-memory`)) {
        mine.push(Number(name));
      }
    }
    return mine;
  };
  await pool.use(key, toolNames);
  const [first = 0] = await pids();
  const open = pool.use(key, (link) => link.request(call("read_graph")));
  Deno.kill(first, "SIGKILL");
  await open.catch((error) => assert.equal(error.kind, "unknown"));
  await until(() => lost.length === 1, "the loss");
  clockMs = 1_000;
  assert.ok((await pool.use(key, toolNames)).includes("read_graph"));
  const left = await pids();
  await pool.close();
  for (const pid of left) assert.ok(!await isAlive(pid));
});

Deno.test("HTTP links speak Streamable HTTP and HTTP+SSE with server-everything", async (t) => {
  const packages = await installNodeServers();
  for (
    const [mode, path, open] of [["streamableHttp", "/mcp", openHttpLink], [
      "sse",
      "/sse",
      openSseLink,
    ]] as const
  ) {
    await t.step(mode, async () => {
      const port = freePort();
      const server = await startListener(
        nodeServer(packages, "everything", [mode], { PORT: String(port) }),
        port,
      );
      const link = await open(http(`http://127.0.0.1:${port}${path}`));
      assert.equal(link.info.era, "legacy");
      const progress: unknown[] = [];
      const onProgress = (params: JsonObject) => void progress.push(params.progress);
      await link.request(call("trigger-long-running-operation", { duration: 1, steps: 2 }, { onProgress }));
      assert.deepEqual(progress, [1, 2]);
      const sampled = await link.request(call("trigger-sampling-request", { prompt: "x", maxTokens: 5 }, {
        onServerRequest: () =>
          Promise.resolve({ model: "m", role: "assistant", content: { type: "text", text: "sampled" } }),
      }));
      assert.match(textOf(sampled), /sampled/);
      await link.close();
      await server.stop();
    });
  }
});

/** A server of the official SDK 2.x that asks, announces changes, and wants an argument repeated in a header. */
function startModern() {
  const answer = z.object({ name: z.string() });
  const regions: (string | null)[] = [];
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "modern", version: "2.0.0" }, {
      capabilities: { tools: { listChanged: true } },
    });
    server.registerTool("greet", { inputSchema: z.object({}) }, (_args, ctx) => {
      const given = acceptedContent(ctx.mcpReq.inputResponses, "who", answer);
      if (given?.name !== undefined) return { content: [{ type: "text", text: `Hello, ${given.name}` }] };
      const who = inputRequired.elicit({ message: "Who?", requestedSchema: answer });
      return inputRequired({ inputRequests: { who } });
    });
    const region = { type: "string", "x-mcp-header": "Region" };
    const inputSchema = fromJsonSchema({ type: "object", properties: { region } } as never);
    server.registerTool("deploy", { inputSchema }, () => ({ content: [{ type: "text", text: "deployed" }] }));
    return server;
  }, { legacy: "reject" });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    if (request.headers.get("mcp-name") === "deploy") regions.push(request.headers.get("mcp-param-region"));
    return handler.fetch(request);
  });
  return {
    ...{ url: `http://127.0.0.1:${server.addr.port}/mcp`, handler, regions },
    async stop() {
      await handler.close();
      await server.shutdown();
    },
  };
}

Deno.test("modern HTTP links satisfy the official server, and its questions reach legacy clients", async () => {
  const server = startModern();
  const link = await openHttpLink(http(server.url));
  assert.deepEqual([link.info.era, link.info.serverInfo.name], ["modern", "modern"]);
  assert.deepEqual(await toolNames(link), ["greet", "deploy"]);
  assert.equal(textOf(await link.request(call("deploy", { region: "Köln" }))), "deployed");
  assert.deepEqual(server.regions, ["=?base64?S8O2bG4=?="]);

  assert.equal((await link.request(call("greet"))).kind, "input_required");
  const greeted = await requestForLegacyClient(
    link,
    call("greet", {}, {
      onServerRequest: () => Promise.resolve({ action: "accept", content: { name: "Ada" } }),
    }),
  );
  assert.equal(textOf(greeted), "Hello, Ada");
  assert.ok(greeted.kind === "result" && !greeted.text.includes("resultType"));

  const notices: string[] = [];
  const stop = await link.listen({ toolsListChanged: true }, (method) => notices.push(method));
  server.handler.notify.toolsChanged();
  await until(() => notices.length === 1, "the notice");
  stop();
  assert.deepEqual(notices, ["notifications/tools/list_changed"]);
  await link.close();
  await server.stop();
});

Deno.test("questions of a legacy server reach modern clients: the call is parked and goes on", async () => {
  const packages = await installNodeServers();
  const link = await stdio(nodeServer(packages, "everything", ["stdio"]));
  const parked = new ParkedCalls({ newId: () => crypto.randomUUID() });
  const lease = () => ({ link, release: () => {} });
  const request = (params: JsonObject) => ({
    ...requestOf("tools/call", { params, client, timeoutMs: 20_000 }),
    owner: { tenant: "acme", blockIds: ["a"], upstream: "everything", method: "tools/call" },
  });
  for (
    const [name, args, response, expected] of [
      ["trigger-sampling-request", { prompt: "x", maxTokens: 5 }, {
        ...{ model: "m", role: "assistant", content: { type: "text", text: "bridged" } },
      }, /bridged/],
      ["trigger-elicitation-request", {}, { action: "decline" }, /declined/],
    ] as const
  ) {
    const first = await parked.request(lease(), request({ name, arguments: args }));
    assert.ok(first.kind === "parked" && first.parkedId !== undefined, JSON.stringify(first));
    const inputResponses = Object.fromEntries(Object.keys(first.inputRequests).map((key) => [key, response]));
    const done = await parked.resume(first.parkedId, request({ name, arguments: args, inputResponses }));
    assert.match(textOf(done), expected);
    assert.ok(done?.kind === "result" && done.result.resultType === "complete");
  }
  parked.close();
  await link.close();
});

Deno.test("a credential comes from an authorization server that nobody of us wrote, bound to the resource", async () => {
  const packages = await installNodeServers();
  const port = freePort();
  const provider = await startOidc(packages, port);
  for (const way of ["basic", "post"] as const) {
    const settings = {
      ...{ tokenUrl: `http://127.0.0.1:${port}/token`, clientId: `gate-${way}`, clientSecret: "s3cr:t+% x" },
      ...{ clientAuth: way, scope: "mcp:read", resource: "https://erp.example/mcp" },
    };
    const sourceOf = (oauth: typeof settings) =>
      createCredentialSource({ own: { headers: {}, oauth }, tools: new Map(), tenants: new Map() }, () => 0);
    const { authorization = "" } = await sourceOf(settings).headers("acme", {});
    const claims = JSON.parse(
      atob(authorization.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? ""),
    );
    assert.deepEqual([claims.aud, claims.scope, claims.client_id], [
      ...["https://erp.example/mcp", "mcp:read", `gate-${way}`],
    ]);
    const wrong = sourceOf({ ...settings, clientSecret: "wrong" });
    await assert.rejects(wrong.headers("acme", {}), /HTTP 401, invalid_client$/);
  }
  await provider.stop();
});
