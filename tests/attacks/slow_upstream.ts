/** A tool server that answers as slowly as it can without falling silent; each of its tools does so in another place. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";

export interface SlowUpstream {
  /** Without a final slash: `/mcp` answers quickly but for calls, `/<method>` is slow at that method too. */
  readonly url: string;
  /** Connections on which an answer is still being written. */
  writing(): number;
  close(): Promise<void>;
}

/** How an answer begins, and what follows again and again. */
interface Drip {
  readonly first: string;
  readonly again: string;
}

const head = (type: string, ...lines: string[]) =>
  ["HTTP/1.1 200 OK", `Content-Type: ${type}`, "Connection: close", ...lines, "", ""].join("\r\n");
const JSON_HEAD = (length: number) => head("application/json", `Content-Length: ${length}`);
const STREAM_HEAD = head("text/event-stream");
const progress = {
  jsonrpc: "2.0",
  method: "notifications/progress",
  params: { progressToken: 1, progress: 1 },
};

/** Every tool, by the place where it is slow. */
export const DRIPS: Readonly<Record<string, Drip>> = {
  silent: { first: "", again: "" },
  status_line: { first: "HTTP/1.1 200 O", again: "K" },
  header: { first: "HTTP/1.1 200 OK\r\nX-Slow: ", again: "x" },
  headers: { first: "HTTP/1.1 200 OK\r\n", again: "X-Slow: x\r\n" },
  body: { first: JSON_HEAD(1_000_000), again: " " },
  half_a_body: { first: `${JSON_HEAD(1_000)}{"jsonrpc":"2.0",`, again: "" },
  chunks: { first: head("application/json", "Transfer-Encoding: chunked"), again: "1\r\n \r\n" },
  line: { first: `${STREAM_HEAD}data: `, again: "x" },
  comments: { first: STREAM_HEAD, again: ":\n\n" },
  progress: { first: STREAM_HEAD, again: `data: ${JSON.stringify(progress)}\n\n` },
};
const DRIP_MS = 100;

/** Starts it on a free port of 127.0.0.1. */
export function startSlowUpstream(): SlowUpstream {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const writing = new Set<Deno.Conn>();
  const serving: Promise<void>[] = [];
  const accept = async () => {
    for await (const connection of listener) {
      open.add(connection);
      serving.push(
        serve(connection, writing).catch(() => {}).finally(() => {
          writing.delete(connection);
          open.delete(connection);
          close(connection);
        }),
      );
    }
  };
  const accepting = accept();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    writing: () => writing.size,
    close: async () => {
      listener.close();
      for (const connection of open) close(connection);
      await Promise.all([accepting, ...serving]);
    },
  };
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

async function serve(connection: Deno.Conn, writing: Set<Deno.Conn>): Promise<void> {
  const { path, message } = await readRequest(connection);
  const method = String(message.method);
  const params = isJsonObject(message.params) ? message.params : {};
  const drip = path === `/${method}`
    ? DRIPS.body
    : method === "tools/call"
    ? DRIPS[String(params.name)]
    : undefined;
  if (drip === undefined) return await write(connection, quickAnswer(message));
  writing.add(connection);
  await write(connection, drip.first);
  // The end of the connection is noticed by reading, and by writing.
  const gone = connection.read(new Uint8Array(1)).then(() => true, () => true);
  while (!await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, DRIP_MS))])) {
    await write(connection, drip.again);
  }
}

async function write(connection: Deno.Conn, text: string): Promise<void> {
  const writer = connection.writable.getWriter();
  try {
    if (text !== "") await writer.write(new TextEncoder().encode(text));
  } finally {
    writer.releaseLock();
  }
}

async function readRequest(
  connection: Deno.Conn,
): Promise<{ readonly path: string; readonly message: JsonObject }> {
  const buffer = new Uint8Array(65_536);
  let text = "";
  while (true) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error("The client has gone");
    text += new TextDecoder().decode(buffer.subarray(0, read));
    const [requestHead = "", body] = text.split(/\r\n\r\n(.*)/s);
    const length = Number(/^content-length: (\d+)/im.exec(requestHead)?.[1] ?? 0);
    if (body === undefined || body.length < length) continue;
    return { path: requestHead.split(" ")[1] ?? "", message: length === 0 ? {} : JSON.parse(body) };
  }
}

function quickAnswer({ id, method }: JsonObject): string {
  if (id === undefined) return "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  const body = JSON.stringify({ jsonrpc: "2.0", id, result: resultOf(method) });
  return JSON_HEAD(body.length) + body;
}

function resultOf(method: JsonObject[string]): JsonObject {
  const common = { resultType: "complete", ttlMs: 0, cacheScope: "private" };
  const capabilities = { tools: {} };
  switch (method) {
    case "initialize":
      return { protocolVersion: "2025-11-25", capabilities, serverInfo: { name: "slow", version: "0" } };
    case "server/discover":
      return { supportedVersions: ["2026-07-28"], capabilities, ...common };
    case "tools/list": {
      const tools = ["read", ...Object.keys(DRIPS)].map((name) => ({
        ...{ name, inputSchema: { type: "object" }, annotations: { readOnlyHint: true } },
      }));
      return { tools, ...common };
    }
    default:
      return { content: [], ...common };
  }
}
