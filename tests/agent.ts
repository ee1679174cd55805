/** A small MCP client over plain fetch, for tests that must see every byte. The official clients are in conformance/. */
import type { JsonObject } from "../core/json.ts";

/** One answer: HTTP status, headers, and the JSON-RPC message, also out of an SSE body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // deno-lint-ignore no-explicit-any
  readonly message: any;
}

const ACCEPT = "application/json, text/event-stream";

/** An agent with a token and, once connected, a session. */
export class Agent {
  #nextId = 1;
  session: string | undefined;

  constructor(readonly url: string, readonly token: string | undefined) {}

  /** Opens a session, without an upstream one at the aggregate endpoint; throws when the gateway refuses. */
  static async connect(gatewayUrl: string, upstream: string | undefined, token: string): Promise<Agent> {
    const agent = new Agent(`${gatewayUrl}/mcp${upstream === undefined ? "" : `/${upstream}`}`, token);
    const answer = await agent.request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "test", version: "0" },
    });
    if (answer.message?.result === undefined) throw new Error(`Cannot connect: ${answer.text}`);
    agent.session = answer.headers.get("mcp-session-id") ?? undefined;
    await agent.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    return agent;
  }

  /** Sends one message, or a text as it is. */
  async send(
    body: JsonObject | string,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    const response = await fetch(this.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: ACCEPT,
        ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
        ...(this.session === undefined ? {} : { "mcp-session-id": this.session }),
        ...headers,
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, message: messageOf(text) };
  }

  async request(method: string, params?: JsonObject): Promise<Answer> {
    const id = this.#nextId++;
    return await this.send({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });
  }

  async call(name: string, args: JsonObject = {}): Promise<Answer> {
    return await this.request("tools/call", { name, arguments: args });
  }

  /** Names of the listed tools, in order. */
  async list(): Promise<string[]> {
    const answer = await this.request("tools/list");
    return answer.message.result.tools.map((tool: { name: string }) => tool.name);
  }
}

/** What a call came to, in one word: `ok`, or the refusal's code. */
export function resultOf(answer: Answer): string {
  const error = answer.message?.error;
  if (error !== undefined) return error.data?.code ?? `error ${error.code}`;
  return answer.message?.result?.isError === true ? "tool_error" : "ok";
}

function messageOf(text: string): unknown {
  const data = text.startsWith("{")
    ? text
    : text.split("\n").filter((line) => line.startsWith("data:")).at(-1)?.slice(5);
  try {
    return data === undefined ? undefined : JSON.parse(data);
  } catch {
    return undefined;
  }
}
