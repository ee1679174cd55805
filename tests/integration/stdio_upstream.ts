/**
 * A legacy tool server over stdio, to be started by a gateway: `deno run stdio_upstream.ts <log file>`. It writes to the
 * log what it was told, after its process id. Tools: `fast` answers with the process id, `slow` never, `change` says that
 * the tools have changed.
 */
// deno-lint-ignore no-explicit-any
type Message = any;

const [logFile = ""] = Deno.args;

function send(message: Message): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`));
}

function log(what: string): void {
  Deno.writeTextFileSync(logFile, `${Deno.pid} ${what}\n`, { append: true });
}

function answerCall({ id, params: { name } }: Message): void {
  if (name === "slow") return;
  if (name === "change") send({ method: "notifications/tools/list_changed" });
  send({ id, result: { content: [{ type: "text", text: `process ${Deno.pid}` }] } });
}

function take(message: Message): void {
  const { id, method } = message;
  log(method ?? "answer");
  if (method === "tools/call") return answerCall(message);
  if (id === undefined || method === undefined) return;
  if (method === "initialize") {
    const capabilities = { tools: { listChanged: true } };
    const serverInfo = { name: "stdio", version: "0" };
    return send({ id, result: { protocolVersion: "2025-11-25", capabilities, serverInfo } });
  }
  if (method === "tools/list") {
    const tools = ["fast", "slow", "change"].map((name) => ({ name, inputSchema: { type: "object" } }));
    return send({ id, result: { tools } });
  }
  send({ id, error: { code: -32601, message: "Method not found" } });
}

async function serve(): Promise<void> {
  let rest = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") take(JSON.parse(line));
  }
  log("closed");
}

if (import.meta.main) void serve();
