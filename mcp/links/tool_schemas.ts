/** What a modern upstream's tools want repeated in headers, learned from its `tools/list`. */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import { UpstreamFailure } from "../upstream_connection.ts";
import type { LinkAnswer, LinkRequest } from "../upstream_link.ts";
import { ownRequest } from "./handshake_requests.ts";
import type { LinkOptions } from "./link_options.ts";
import { type ParameterHeader, parameterHeaders } from "./parameter_headers.ts";

/** Most pages and tools that are read. */
const MAX_PAGES = 50;
const MAX_TOOLS = 10_000;

/** The header declarations of one upstream's tools; read when first needed. */
export class ToolSchemas {
  readonly #request: (request: LinkRequest) => Promise<LinkAnswer>;
  readonly #options: LinkOptions;
  #known = new Map<string, readonly ParameterHeader[]>();
  #isComplete = false;
  #reading: Promise<void> | undefined;

  constructor(request: (request: LinkRequest) => Promise<LinkAnswer>, options: LinkOptions) {
    this.#request = request;
    this.#options = options;
  }

  /** Takes in one page that passed by. */
  learn(page: JsonObject): void {
    if (!Array.isArray(page.tools)) return;
    for (const tool of page.tools) {
      if (!isJsonObject(tool) || typeof tool.name !== "string" || !isJsonObject(tool.inputSchema)) continue;
      if (this.#known.size < MAX_TOOLS) this.#known.set(tool.name, parameterHeaders(tool.inputSchema));
    }
  }

  /** The tools may have changed. */
  forget(): void {
    this.#known = new Map();
    this.#isComplete = false;
  }

  /** The declarations of a tool; none for one that is not listed. Throws `UpstreamFailure`. */
  async headersOf(tool: string, signal: AbortSignal): Promise<readonly ParameterHeader[]> {
    const known = this.#known.get(tool);
    if (known !== undefined || this.#isComplete) return known ?? [];
    this.#reading ??= this.#read().finally(() => this.#reading = undefined);
    await Promise.race([this.#reading, aborted(signal)]);
    return this.#known.get(tool) ?? [];
  }

  async #read(): Promise<void> {
    let cursor: string | undefined;
    // The reading belongs to all who wait for it, so that none of them may end it.
    const { signal } = new AbortController();
    for (let page = 0; page < MAX_PAGES; page++) {
      const params = cursor === undefined ? {} : { cursor };
      const answer = await this.#request(ownRequest("tools/list", params, this.#options, signal));
      if (answer.kind !== "result") throw new UpstreamFailure("upstream_failed", "tools_unreadable");
      this.learn(answer.result);
      if (typeof answer.result.nextCursor !== "string") break;
      cursor = answer.result.nextCursor;
    }
    this.#isComplete = true;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = () => reject(new UpstreamFailure("upstream_failed", "cancelled"));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
