/** Joins the MCP front with the gateway and the configured upstreams. */
import { deriveSealKeys, type KeyRing } from "../core/key_ring.ts";
import { createMcpFront, type McpFront } from "../mcp/front.ts";
import type { ToolPins } from "../mcp/tool_pins.ts";
import type { OnUnread } from "../mcp/unread_answers.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Configuration } from "./configuration.ts";
import type { GatewayParts } from "./gateway_parts.ts";
import { newId } from "./random.ts";
import type { ListenAddress } from "./listener.ts";
import type { ReachedUpstreams } from "./reached_upstreams.ts";

export interface McpPartsOptions {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly parts: GatewayParts;
  readonly reached: ReachedUpstreams;
  readonly pins: ToolPins;
  readonly address: ListenAddress;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Told of each answer that is given up because nobody reads it. */
  readonly onUnread: OnUnread;
}

/** Builds the front behind `/mcp/<upstream>`. */
export async function buildMcpFront(options: McpPartsOptions): Promise<McpFront> {
  const { configuration: { config }, parts, log } = options;
  return createMcpFront({
    upstreams: options.reached.upstreams,
    aggregate: options.reached.aggregate,
    pins: options.pins,
    gateway: parts.gateway,
    sessionKeys: await deriveSealKeys(options.ring, "session"),
    ...hostRules(options),
    ...{ publicUrl: config.public_url, authorizationServers: config.authorization_servers },
    ...{ maxBodyBytes: config.max_body_bytes, decisionTimeoutMs: config.decision_timeout_ms },
    maxDeciding: config.max_concurrent_decisions,
    ...{ nowMs: () => Date.now(), newId },
    unread: { onDropped: options.onUnread },
    onOverload: (reason) => options.metrics.overload(reason),
    onUpstreamRefused: (code) => options.metrics.overload(code),
    onCircuit: (upstream, state) =>
      state === "open"
        ? log("warn", "An upstream cannot be reached: its calls are refused at once", { upstream })
        : log("info", "An upstream answers again", { upstream }),
    onUpstreamTime: (seconds) => options.metrics.upstream(seconds),
    onResultUnfit: ({ isBlocked, ...unfit }) => {
      options.metrics.unfitResult(isBlocked ? "withheld" : "reported");
      log("debug", "A result does not fit the tool's output schema", {
        ...{ upstream: unfit.upstream, tool: unfit.tool, decision_id: unfit.decisionId, unfit: unfit.what },
      });
    },
    onNoAnswer: (upstream, error) =>
      log("warn", "An upstream did not answer", { upstream, error: errorText(error) }),
    onFault: (error) => log("error", "The MCP front met a fault", { error: errorText(error) }),
  });
}

function hostRules({ configuration: { config }, address }: McpPartsOptions) {
  const loopback = ["127.0.0.1", "::1", "localhost"].includes(address.hostname);
  const publicHost = config.public_url === undefined ? [] : [new URL(config.public_url).hostname];
  return { allowedHosts: [...config.allowed_hosts, ...publicHost], isLoopbackListener: loopback };
}
