/**
 * The gateway as a client of an upstream: one short session that reads all pages of `tools/list`. An upstream that knows no
 * sessions is asked in the modern era, in which every request stands alone.
 */
import { GatewayError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { mapInSlices } from "../core/slices.ts";
import { collectAnswer } from "./answer.ts";
import { catalogueCapabilities, negotiatedVersion } from "./handshake.ts";
import { GATEWAY_CLIENT_INFO } from "./links/link_options.ts";
import { CAPABILITIES_META, CLIENT_INFO_META } from "./links/modern_meta.ts";
import { LIST_PACING, type ReadTool, readTool } from "./tool_list.ts";
import {
  type ExchangeClock,
  exchangeWith,
  type ResolvedUpstream,
  UpstreamFailure,
  type UpstreamRequest,
} from "./upstream_connection.ts";
import { LEGACY_VERSIONS, MODERN_VERSIONS, VERSION_META } from "./versions.ts";

const MAX_PAGES = 50;
const MAX_TOOLS = 10_000;
/** Reading definitions is never worth more time or room than this, whatever calls of the upstream may take. */
const MAX_TIMEOUT_MS = 10_000;
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** All of them are kept, and pinned in one transaction. */
const MAX_DEFINITIONS_LENGTH = 32 * 1024 * 1024;

/** Reads all tool definitions of an upstream; throws `GatewayError`. */
export async function readToolPages(
  upstream: ResolvedUpstream,
  clock: ExchangeClock,
): Promise<readonly ReadTool[]> {
  const session = new CatalogueSession(upstream, clock);
  try {
    await session.open();
    return await session.listTools();
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    // It may have the transport of 2024 only: its links know that, too.
    const isRefused = error.status !== undefined && error.status >= 400 && error.status < 500;
    if (isRefused && upstream.bridged !== undefined) return await readToolPages(upstream.bridged, clock);
    const isUnusable = ["not_mcp", "response_too_large", "redirect"].includes(error.code);
    const code = isUnusable ? "upstream_answer_unusable" : "upstream_unavailable";
    throw new GatewayError(code, `Cannot read the tools of "${upstream.name}": ${error.code}`, {
      cause: error,
    });
  } finally {
    session.close();
  }
}

class CatalogueSession {
  readonly #upstream: ResolvedUpstream;
  readonly #clock: ExchangeClock;
  #sessionId: string | undefined;
  #protocolVersion: string | undefined;
  #isModern = false;
  #nextId = 1;

  constructor(upstream: ResolvedUpstream, clock: ExchangeClock) {
    this.#upstream = {
      ...upstream,
      timeout_ms: Math.min(upstream.timeout_ms, MAX_TIMEOUT_MS),
      max_response_bytes: Math.min(upstream.max_response_bytes, MAX_PAGE_BYTES),
    };
    this.#clock = clock;
  }

  async open(): Promise<void> {
    // Links answer in either era, and in the modern one without a session.
    if (this.#upstream.serve !== undefined) return void (this.#isModern = true);
    try {
      this.#isModern = !await this.#initialize();
    } catch (error) {
      // What servers of the modern era answer to `initialize`: 404 "method not found", or 400 without their members.
      if (!(error instanceof UpstreamFailure) || (error.status !== 404 && error.status !== 400)) throw error;
      this.#isModern = true;
    }
  }

  /** Whether there is a session now; others of the modern era refuse with HTTP 200, or name a version of theirs. */
  async #initialize(): Promise<boolean> {
    const id = this.#nextId++;
    const exchange = await this.#post({
      jsonrpc: "2.0",
      id,
      method: "initialize",
      params: {
        protocolVersion: LEGACY_VERSIONS[0],
        capabilities: catalogueCapabilities(this.#upstream.client_requests),
        clientInfo: GATEWAY_CLIENT_INFO,
      },
    });
    this.#sessionId = exchange.sessionId;
    const answer = await collectAnswer(exchange, id, MAX_PAGE_BYTES);
    const given = answer.result?.value.protocolVersion;
    if (answer.result === undefined || MODERN_VERSIONS.some((version) => version === given)) return false;
    this.#protocolVersion = negotiatedVersion(answer);
    if (this.#protocolVersion === undefined) throw this.#unusable("it speaks no known protocol version");
    const accepted = await this.#post({ jsonrpc: "2.0", method: "notifications/initialized" });
    await accepted.drain();
    return true;
  }

  async listTools(): Promise<readonly ReadTool[]> {
    const tools: ReadTool[] = [];
    let length = 0;
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const result = await this.#listPage(cursor);
      if (!Array.isArray(result.tools)) throw this.#unusable("its tools/list has no tools");
      if (tools.length + result.tools.length > MAX_TOOLS) {
        throw this.#unusable(`it lists more than ${MAX_TOOLS} tools`);
      }
      const read = await mapInSlices(
        result.tools,
        (value: JsonValue) => readTool(this.#upstream.name, value),
        LIST_PACING,
      );
      for (const tool of read) if (tool !== undefined) tools.push(tool);
      length += read.reduce((sum, tool) => sum + (tool?.seen.definition.length ?? 0), 0);
      if (length > MAX_DEFINITIONS_LENGTH) {
        throw this.#unusable(`its definitions have more than ${MAX_DEFINITIONS_LENGTH} characters`);
      }
      if (typeof result.nextCursor !== "string") return tools;
      cursor = result.nextCursor;
    }
    throw this.#unusable(`its tools/list has more than ${MAX_PAGES} pages`);
  }

  /** Ends the upstream's session; whether that works does not matter. */
  close(): void {
    if (this.#sessionId === undefined) return;
    const request = { method: "DELETE", ...this.#session() } as const;
    exchangeWith(this.#upstream, request, this.#clock).then((exchange) => exchange.drain()).catch(() => {});
  }

  async #listPage(cursor: string | undefined): Promise<JsonObject> {
    const id = this.#nextId++;
    const given = {
      ...(this.#isModern ? { _meta: this.#modernMeta() } : {}),
      ...(cursor === undefined ? {} : { cursor }),
    };
    const params = Object.keys(given).length === 0 ? {} : { params: given };
    const exchange = await this.#post({ jsonrpc: "2.0", id, method: "tools/list", ...params });
    const answer = await collectAnswer(exchange, id, MAX_PAGE_BYTES);
    if (answer.result === undefined) throw this.#unusable("it refuses tools/list");
    return answer.result.value;
  }

  #modernMeta(): JsonObject {
    return {
      [VERSION_META]: MODERN_VERSIONS[0],
      [CAPABILITIES_META]: catalogueCapabilities(this.#upstream.client_requests),
      [CLIENT_INFO_META]: GATEWAY_CLIENT_INFO,
    };
  }

  #post(message: JsonObject & { readonly method: string }) {
    const body = new TextEncoder().encode(JSON.stringify(message));
    // Also before it is known that the server is of the era that wants it.
    const mcpHeaders = { "mcp-method": message.method };
    const to = this.#isModern ? { protocolVersion: MODERN_VERSIONS[0] } : this.#session();
    return exchangeWith(this.#upstream, { method: "POST", body, mcpHeaders, ...to }, this.#clock);
  }

  #session(): Pick<UpstreamRequest, "sessionId" | "protocolVersion"> {
    return { sessionId: this.#sessionId, protocolVersion: this.#protocolVersion };
  }

  #unusable(why: string): GatewayError {
    return new GatewayError(
      "upstream_answer_unusable",
      `Cannot read the tools of "${this.#upstream.name}": ${why}`,
    );
  }
}
