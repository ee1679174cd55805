/** A small client of the modern era (2026-07-28) over plain fetch, for tests that must see and bend every byte. */
import type { JsonObject } from "../core/json.ts";
import type { Answer } from "./agent.ts";

const META = "io.modelcontextprotocol/";

/** What a test changes about a request. */
export interface ModernChanges {
  /** Headers by name; `undefined` leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Members of `_meta`. */
  readonly meta?: JsonObject;
  readonly signal?: AbortSignal;
}

/** An agent with a token and no session. */
export class ModernAgent {
  #nextId = 1;

  constructor(
    readonly url: string,
    readonly token: string | undefined,
    readonly capabilities: JsonObject = {},
  ) {}

  /** The HTTP answer, its body still unread. */
  async open(method: string, params: JsonObject = {}, changes: ModernChanges = {}): Promise<Response> {
    const _meta: JsonObject = {
      [`${META}protocolVersion`]: "2026-07-28",
      [`${META}clientCapabilities`]: this.capabilities,
      ...changes.meta,
    };
    const named = params.name ?? params.uri;
    const headers: Record<string, string | undefined> = {
      ...{ "content-type": "application/json", accept: "application/json, text/event-stream" },
      ...{ "mcp-protocol-version": "2026-07-28", "mcp-method": method },
      ...(typeof named === "string" ? { "mcp-name": named } : {}),
      ...(this.token === undefined ? {} : { authorization: `Bearer ${this.token}` }),
      ...changes.headers,
    };
    const given = Object.entries(headers).filter((entry): entry is [string, string] =>
      entry[1] !== undefined
    );
    const message = { jsonrpc: "2.0", id: this.#nextId++, method, params: { ...params, _meta } };
    return await fetch(this.url, {
      method: "POST",
      headers: given,
      body: JSON.stringify(message),
      ...(changes.signal === undefined ? {} : { signal: changes.signal }),
    });
  }

  async request(method: string, params: JsonObject = {}, changes: ModernChanges = {}): Promise<Answer> {
    const response = await this.open(method, params, changes);
    const text = await response.text();
    const data = text.startsWith("{")
      ? text
      : text.split("\n").filter((line) => line.startsWith("data: ")).at(-1)?.slice(6);
    const message = data === undefined ? undefined : JSON.parse(data);
    return { status: response.status, headers: response.headers, text, message };
  }

  async call(name: string, args: JsonObject = {}, more: JsonObject = {}): Promise<Answer> {
    return await this.request("tools/call", { name, arguments: args, ...more });
  }
}

/** The messages of a stream, one after the other; `undefined` when it has ended. */
export function messagesOf(response: Response): () => Promise<JsonObject | undefined> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const waiting: JsonObject[] = [];
  let text = "";
  return async () => {
    while (waiting.length === 0) {
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
      if (done) return undefined;
      text += value ?? "";
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        const data = event.split("\n").filter((line) => line.startsWith("data: ")).map((line) =>
          line.slice(6)
        );
        if (data.length > 0 && data[0] !== "") waiting.push(JSON.parse(data.join("\n")));
      }
    }
    return waiting.shift();
  };
}
