/** Log levels of legacy upstreams, which are told once and not with every request. */
import { UpstreamFailure } from "../upstream_connection.ts";
import type { UpstreamLink } from "../upstream_link.ts";

const LEVELS: ReadonlySet<string> = new Set([
  ...["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"],
]);
const TIMEOUT_MS = 10_000;

/** Whether it is a level of RFC 5424, as MCP names them. */
export function isLogLevel(level: unknown): level is string {
  return typeof level === "string" && LEVELS.has(level);
}

/** The levels that links of this process were told; keeps no link alive. */
export class LogLevels {
  readonly #told = new WeakMap<UpstreamLink, string>();

  /** Tells a legacy upstream with logging the level, unless it knows. An upstream that refuses loses no call. */
  async apply(link: UpstreamLink, level: string, signal: AbortSignal): Promise<void> {
    const { era, capabilities } = link.info;
    if (era === "modern" || capabilities.logging === undefined || this.#told.get(link) === level) return;
    this.#told.set(link, level);
    const request = { method: "logging/setLevel", params: { level }, timeoutMs: TIMEOUT_MS, signal };
    try {
      await link.request({ ...request, client: { capabilities: {}, traceHeaders: {} } });
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
    }
  }
}
