/** Tool servers that nobody of us wrote, reached over links, through a real gateway and by clients of both eras. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import { Agent, resultOf } from "../agent.ts";
import { freePort, type GatewayProcess, startGateway } from "../gateway_process.ts";
import { messagesOf, ModernAgent } from "../modern_agent.ts";
import { events, eventually } from "../integration/gateways.ts";
import {
  installNodeServers,
  installPythonServers,
  makeRepository,
  nodeServer,
  startListener,
} from "./server_programs.ts";

/** The four programs of the aggregate, and server-everything. */
async function programs(): Promise<JsonObject> {
  const packages = await installNodeServers();
  const python = await installPythonServers();
  const folder = await Deno.realPath(await Deno.makeTempDir());
  await Deno.writeTextFile(`${folder}/a.txt`, "hello");
  const memory = await Deno.makeTempFile();
  const repository = await makeRepository();
  const of = ({ command, args, env }: ReturnType<typeof nodeServer>): JsonObject => ({
    ...{ command, args: [...args], env: { ...env } },
  });
  return {
    fs: of(nodeServer(packages, "filesystem", [folder])),
    memory: of(nodeServer(packages, "memory", [], { MEMORY_FILE_PATH: memory })),
    time: { command: `${python}/mcp-server-time`, args: ["--local-timezone", "UTC"] },
    git: { command: `${python}/mcp-server-git`, args: ["--repository", repository] },
    everything: {
      ...of(nodeServer(packages, "everything", ["stdio"])),
      client_requests: ["elicitation", "sampling", "roots"],
    },
  };
}

const EVERYTHING = { upstreams: ["*"], tools: ["*"], prompts: ["*"], resources: ["demo://**"] };

async function gatewayWith(upstreams: JsonObject): Promise<GatewayProcess> {
  return await startGateway({ config: { upstreams, pipeline: [{ check: "capability" }] } });
}

const textOf = (answer: { message: { result?: { content?: readonly { text: string }[] } } }) =>
  (answer.message.result?.content ?? []).map(({ text }) => text).join("\n");

Deno.test("a client of either era lists and calls the tools of programs behind the gateway", async (t) => {
  await using gateway = await gatewayWith(await programs());
  const { token } = await gateway.mint({ tenant: "default", agent: "bot", ...EVERYTHING, ttl_seconds: 3600 });
  const calls: Record<string, [string, JsonObject, RegExp]> = {
    fs: ["list_allowed_directories", {}, /tmp/],
    memory: ["read_graph", {}, /entities/],
    time: ["get_current_time", { timezone: "UTC" }, /UTC/],
    git: ["git_log", { repo_path: "." }, /./],
    everything: ["echo", { message: "hi" }, /hi/],
  };
  for (const [upstream, [tool, args, expected]] of Object.entries(calls)) {
    await t.step(`legacy client, ${upstream}`, async () => {
      const agent = await Agent.connect(gateway.url, upstream, token);
      assert.ok((await agent.list()).includes(tool));
      const answer = await agent.call(tool, args);
      assert.match(textOf(answer), expected, answer.text);
      assert.equal(resultOf(await agent.call("no_such_tool")), "not_available");
    });
    await t.step(`modern client, ${upstream}`, async () => {
      const agent = new ModernAgent(`${gateway.url}/mcp/${upstream}`, token);
      const discovered = await agent.request("server/discover");
      assert.deepEqual(discovered.message.result?.supportedVersions, ["2026-07-28"], discovered.text);
      const listed = await agent.request("tools/list");
      assert.ok(listed.message.result.tools.some(({ name }: { name: string }) => name === tool));
      const answer = await agent.call(tool, args);
      assert.match(textOf(answer), expected, answer.text);
    });
  }
  await eventually(async () => {
    const outcomes = (await events(gateway, "default")).filter(({ metadata }) =>
      metadata.event_code === "call.ended"
    );
    return outcomes.length === 10;
  }, "an outcome for each call");
});

Deno.test("one endpoint serves the tools of all programs that the token allows", async (t) => {
  await using gateway = await gatewayWith(await programs());
  const { token } = await gateway.mint({
    ...{ tenant: "default", agent: "bot", ttl_seconds: 3600, prompts: ["*"], resources: ["demo://**"] },
    ...{ upstreams: ["fs", "memory", "time", "everything"], tools: ["*"] },
  });
  const calls: readonly (readonly [string, JsonObject, RegExp])[] = [
    ["fs__list_allowed_directories", {}, /tmp/],
    ["memory__read_graph", {}, /entities/],
    ["time__get_current_time", { timezone: "UTC" }, /UTC/],
    ["everything__echo", { message: "hi" }, /hi/],
  ];
  await t.step("a legacy client", async () => {
    const agent = await Agent.connect(gateway.url, undefined, token);
    const names = await agent.list();
    for (const [name, args, expected] of calls) {
      assert.ok(names.includes(name), name);
      const answer = await agent.call(name, args);
      assert.match(textOf(answer), expected, answer.text);
    }
    assert.ok(!names.some((name) => name.startsWith("git__")));
    // What the token does not cover, what is not there, and what no upstream has look the same.
    for (const name of ["git__git_log", "fs__no_such_tool", "none__echo", "echo"]) {
      assert.equal(resultOf(await agent.call(name)), "not_available");
    }
  });
  await t.step("a modern client", async () => {
    const agent = new ModernAgent(`${gateway.url}/mcp`, token);
    assert.equal((await agent.request("server/discover")).message.result.resultType, "complete");
    const listed = (await agent.request("tools/list")).message.result.tools as { name: string }[];
    for (const [name, args, expected] of calls) {
      assert.ok(listed.some((tool) => tool.name === name), name);
      const answer = await agent.call(name, args);
      assert.match(textOf(answer), expected, answer.text);
    }
    assert.equal(resultOf(await agent.call("git__git_log")), "not_available");
  });
  await t.step("resources keep their upstream in their URI", async () => {
    const agent = new ModernAgent(`${gateway.url}/mcp`, token);
    const { resources } = (await agent.request("resources/list")).message.result;
    const { uri } = resources.find((one: { uri: string }) => one.uri.startsWith("intentgate://everything/"));
    const read = await agent.request("resources/read", { uri });
    assert.equal(read.message.result?.contents[0].uri, uri, read.text);
  });
});

const isAlive = (pid: number) =>
  Deno.readTextFile(`/proc/${pid}/stat`).then((stat) => !/\) [ZX] /.test(stat), () => false);

/** Processes whose command line has this text. */
async function processesOf(text: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (line.includes(text)) found.push(Number(name));
  }
  return found;
}

Deno.test("a program asks its client, in either era, is cancelled, and ends with the gateway", async (t) => {
  const { everything = {}, memory = {} } = await programs();
  const gateway = await gatewayWith({ everything, memory });
  const { token } = await gateway.mint({ tenant: "default", agent: "bot", ttl_seconds: 3600, ...EVERYTHING });
  const capabilities = { sampling: {}, elicitation: {}, roots: {} };
  const sampled = { model: "m", role: "assistant", content: { type: "text", text: "sampled!" } };
  const sampling = { name: "trigger-sampling-request", arguments: { prompt: "x", maxTokens: 5 } };
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const url = `${gateway.url}/mcp/everything`;
  let session = "";
  const post = (message: JsonObject) =>
    fetch(url, {
      method: "POST",
      headers: {
        ...headers,
        accept: "application/json, text/event-stream",
        ...(session === "" ? {} : { "mcp-session-id": session }),
      },
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
  /** The messages of a stream about its own call: the program asks for the client's roots whenever it likes, too. */
  const messagesOfCall = (response: Response) => {
    const next = messagesOf(response);
    return async () => {
      for (let message = await next(); message !== undefined; message = await next()) {
        if (message.method === "roots/list") {
          await (await post({ id: message.id ?? null, result: { roots: [] } })).text();
        } else if (message.method !== "notifications/message") {
          return message;
        }
      }
      return undefined;
    };
  };
  await t.step("a legacy client is asked on the stream of its call", async () => {
    const clientInfo = { name: "test", version: "0" };
    const params = { protocolVersion: "2025-11-25", capabilities, clientInfo };
    const opened = await post({ id: 1, method: "initialize", params });
    session = opened.headers.get("mcp-session-id") ?? "";
    await opened.text();
    await (await post({ method: "notifications/initialized" })).text();
    const next = messagesOfCall(await post({ id: 2, method: "tools/call", params: sampling }));
    const asked = await next();
    assert.equal(asked?.method, "sampling/createMessage", JSON.stringify(asked));
    assert.equal((await post({ id: asked?.id ?? null, result: sampled })).status, 202);
    assert.match(JSON.stringify(await next()), /sampled!/);
  });
  await t.step("a legacy client follows progress and cancels", async () => {
    const params = {
      ...{ name: "trigger-long-running-operation", arguments: { duration: 60, steps: 120 } },
      _meta: { progressToken: "p" },
    };
    const next = messagesOfCall(await post({ id: 3, method: "tools/call", params }));
    assert.deepEqual((await next())?.params, { progress: 1, total: 120, progressToken: "p" });
    await (await post({ method: "notifications/cancelled", params: { requestId: 3 } })).text();
    for (let message = await next(); message !== undefined; message = await next()) {
      if (message.id === 3) assert.equal((message.error as JsonObject).code, -31016);
    }
  });
  await t.step("a modern client is told that input is required", async () => {
    const agent = new ModernAgent(url, token, capabilities);
    const first = await agent.request("tools/call", sampling);
    const { inputRequests, requestState } = first.message.result;
    const [[key = "", asked] = []] = Object.entries(inputRequests as Record<string, JsonObject>);
    assert.equal(asked?.method, "sampling/createMessage", first.text);
    const retry = { ...sampling, inputResponses: { [key]: sampled }, requestState };
    assert.match((await agent.request("tools/call", retry)).text, /sampled!/);
  });
  await t.step("watched resources are announced on the session's stream", async () => {
    const uri = "demo://resource/static/document/features.md";
    const stream = messagesOf(
      await fetch(url, {
        headers: { ...headers, accept: "text/event-stream", "mcp-session-id": session },
      }),
    );
    const watched = await post({ id: 4, method: "resources/subscribe", params: { uri } });
    assert.match(await watched.text(), /"result":\{\}|"result": ?\{"_meta/);
    const params = { name: "toggle-subscriber-updates", arguments: {} };
    await (await post({ id: 5, method: "tools/call", params })).text();
    let message = await stream();
    while (message !== undefined && message.method !== "notifications/resources/updated") {
      message = await stream();
    }
    assert.equal((message?.params as JsonObject).uri, uri);
  });
  await t.step("nothing of them is left when the gateway has ended", async () => {
    const { command, args } = everything as { command: string; args: string[] };
    assert.equal(command, "node");
    const running = await processesOf(args[0] ?? "");
    assert.ok(running.length > 0);
    await gateway.stop();
    for (const pid of running) assert.ok(!await isAlive(pid), String(pid));
  });
});

Deno.test("a server that has only HTTP+SSE serves clients of both eras, configured or found out", async () => {
  const packages = await installNodeServers();
  const port = freePort();
  const server = await startListener(
    nodeServer(packages, "everything", ["sse"], { PORT: String(port) }),
    port,
  );
  try {
    const url = `http://127.0.0.1:${port}/sse`;
    await using gateway = await gatewayWith({ told: { url, transport: "sse" }, found: { url } });
    const { token } = await gateway.mint({
      tenant: "default",
      agent: "bot",
      ttl_seconds: 3600,
      ...EVERYTHING,
    });
    for (const upstream of ["told", "found"]) {
      const legacy = await Agent.connect(gateway.url, upstream, token);
      assert.ok((await legacy.list()).includes("echo"), upstream);
      assert.match(textOf(await legacy.call("echo", { message: "hi" })), /hi/);
      const modern = new ModernAgent(`${gateway.url}/mcp/${upstream}`, token);
      assert.match(textOf(await modern.call("echo", { message: "hi" })), /hi/);
    }
  } finally {
    await server.stop();
  }
});
