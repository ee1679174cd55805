import assert from "node:assert/strict";
import { requestOf, until } from "./link_fixture.ts";
import { openStdioLink, type StdioLinkOptions } from "./stdio_link.ts";

/** A shell script stands for a server: it reads a line and answers by its number. The product itself starts no shell. */
function server(script: string, changes: Partial<StdioLinkOptions> = {}) {
  const junk: string[] = [];
  const options: StdioLinkOptions = {
    ...{ upstream: "sh", maxMessageBytes: 2_000, handshakeTimeoutMs: 5_000 },
    command: { command: "sh", args: ["-c", script], env: {} },
    onJunk: (why) => junk.push(why),
    ...changes,
  };
  return { open: () => openStdioLink(options), junk };
}

const say = (message: object) => `echo '${JSON.stringify({ jsonrpc: "2.0", ...message })}'`;
const NO_DISCOVER = `read line; ${say({ id: 1, error: { code: -32601, message: "no" } })}`;
const hello = (id: number) =>
  `read line; ${
    say({
      id,
      result: { protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "sh", version: "1" } },
    })
  }; read line`;
const LEGACY = `${NO_DISCOVER}; ${hello(2)}`;

Deno.test("openStdioLink() tries the modern era, falls back, and passes over junk on standard output", async () => {
  const { open, junk } = server(
    `echo Starting; ${LEGACY}; read line; echo '{"half":'; ${say({ id: 3, result: { ok: 1 } })}; cat`,
  );
  const link = await open();
  assert.deepEqual([link.info.era, link.info.protocolVersion], ["legacy", "2025-06-18"]);
  const answer = await link.request(requestOf("tools/list"));
  assert.equal(answer.kind === "result" && answer.text, '{"ok":1}');
  assert.deepEqual(junk, ["syntax", "syntax"]);
  await link.close();
  assert.equal(await link.gone, "closed");
});

Deno.test("openStdioLink() speaks the modern era with a server that knows it, and cancels by a message", async () => {
  const discovered = say({
    id: 1,
    result: { supportedVersions: ["2026-07-28"], capabilities: {}, resultType: "complete" },
  });
  const path = await Deno.makeTempFile();
  const { open } = server(`read line; ${discovered}; while read line; do echo "$line" >> ${path}; done`);
  const link = await open();
  assert.equal(link.info.era, "modern");
  const agent = new AbortController();
  const call = link.request(requestOf("tools/call", {
    ...{ signal: agent.signal, params: { name: "t" } },
    client: { capabilities: { roots: {} }, traceHeaders: { traceparent: "00-1" } },
  }));
  agent.abort();
  await assert.rejects(call, { code: "cancelled" });
  await until(() => Deno.readTextFileSync(path).trim().split("\n").length === 2, "both messages");
  const [sent, cancelled] = Deno.readTextFileSync(path).trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(sent.params._meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
  assert.equal(sent.params._meta.traceparent, "00-1");
  assert.deepEqual(cancelled.params, { requestId: 2, reason: "cancelled" });
  await link.close();
  await Deno.remove(path);
});

Deno.test("openStdioLink() starts a server anew that dies of server/discover", async () => {
  const { open } = server(
    `read line; case "$line" in *discover*) exit 1;; esac; ${hello(1).replace("read line; ", "")}; cat`,
  );
  const link = await open();
  assert.equal(link.info.era, "legacy");
  await link.close();
});

Deno.test("openStdioLink() also asks a server with initialize that never answers server/discover", async () => {
  const { open } = server(`read line; ${hello(2)}; cat`);
  const link = await open();
  assert.equal(link.info.era, "legacy");
  await link.close();
});

Deno.test("a stdio link fails what is open as unknown when the process ends, and is gone", async () => {
  const { open } = server(`${LEGACY}; read line; exit 3`);
  const link = await open();
  await assert.rejects(link.request(requestOf("tools/call")), { kind: "unknown", code: "process_exited" });
  assert.equal(await link.gone, "process_exited");
  assert.equal(link.isOpen(), false);
  await assert.rejects(link.request(requestOf("tools/call")), { kind: "upstream_failed", code: "closed" });
  await assert.rejects(link.listen({}, () => {}), { code: "closed" });
});

Deno.test("a stdio link fails only the request whose answer is too long", async () => {
  const { open, junk } = server(
    `${LEGACY}; read a; read b; printf '{"jsonrpc":"2.0","id":3,"result":{"x":"%3000s"}}\\n' x; ${
      say({ id: 4, result: {} })
    }; cat`,
  );
  const link = await open();
  const [long, short] = await Promise.allSettled([
    link.request(requestOf("a")),
    link.request(requestOf("b")),
  ]);
  assert.ok(long.status === "rejected" && long.reason.code === "response_too_large");
  assert.equal(short.status, "fulfilled");
  assert.deepEqual(junk, ["too_long"]);
  await link.close();
});

Deno.test("openStdioLink() says clearly that a program cannot be started, and leaves nothing behind", async () => {
  const missing = { command: "/no/such/program", args: [], env: {} };
  await assert.rejects(server("", { command: missing }).open(), {
    kind: "upstream_failed",
    code: "cannot_start",
  });
  await assert.rejects(
    server("", { command: { ...missing, command: "cat", cwd: "/no/such/folder" } }).open(),
    {
      code: "cannot_start",
    },
  );
  await assert.rejects(server("exit 5").open(), { kind: "upstream_failed", code: "process_exited" });
  await assert.rejects(server("sleep 300", { handshakeTimeoutMs: 100 }).open(), { code: "timeout" });
  await assert.rejects(server(`${NO_DISCOVER}; cat >/dev/null`, { era: "modern" }).open(), {
    code: "handshake_refused",
  });
});
