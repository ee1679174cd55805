/** Joins the MCP front with the gateway and the configured upstreams. */
import { derive, type KeyRing } from "../core/key_ring.ts";
import { createMcpFront, type McpFront } from "../mcp/front.ts";
import type { SessionKeys } from "../mcp/sessions.ts";
import type { ResolvedUpstream } from "../mcp/upstream_connection.ts";
import { errorText, type Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Configuration } from "./configuration.ts";
import type { GatewayParts } from "./gateway_parts.ts";
import { newId } from "./random.ts";
import type { ListenAddress } from "./listener.ts";
import type { ResolvedUpstreams } from "./upstreams.ts";

export interface McpPartsOptions {
  readonly configuration: Configuration;
  readonly ring: KeyRing;
  readonly parts: GatewayParts;
  readonly upstreams: ResolvedUpstreams;
  readonly address: ListenAddress;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Builds the front behind `/mcp/<upstream>`. */
export async function buildMcpFront(options: McpPartsOptions): Promise<McpFront> {
  const { configuration: { config }, parts, log } = options;
  return createMcpFront({
    upstreams: resolved(options.upstreams),
    gateway: parts.gateway,
    sessionKeys: await sessionKeys(options.ring),
    ...hostRules(options),
    ...{ maxBodyBytes: config.max_body_bytes, decisionTimeoutMs: config.decision_timeout_ms },
    ...{ nowMs: () => Date.now(), newId },
    onUpstreamTime: (seconds) => options.metrics.upstream(seconds),
    onNoAnswer: (upstream, error) =>
      log("warn", "An upstream did not answer", { upstream, error: errorText(error) }),
    onFault: (error) => log("error", "The MCP front met a fault", { error: errorText(error) }),
  });
}

function resolved(upstreams: ResolvedUpstreams): ReadonlyMap<string, ResolvedUpstream> {
  return new Map(
    [...upstreams.configs].map(([name, config]) => [
      name,
      { ...config, name, headers: upstreams.headers.get(name) ?? {} },
    ]),
  );
}

/** Sessions survive the activation of another key; a key that is retired ends its own, and clients open new ones. */
async function sessionKeys(ring: KeyRing): Promise<SessionKeys> {
  const keys = new Map<string, CryptoKey>();
  for (const kid of ring.keys.keys()) {
    const bytes = await derive(ring, kid, "session");
    keys.set(kid, await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]));
  }
  return { active: ring.active, keys };
}

function hostRules({ configuration: { config }, address }: McpPartsOptions) {
  const loopback = ["127.0.0.1", "::1", "localhost"].includes(address.hostname);
  const publicHost = config.public_url === undefined ? [] : [new URL(config.public_url).hostname];
  return { allowedHosts: [...config.allowed_hosts, ...publicHost], isLoopbackListener: loopback };
}
