/** The upstreams of this process: from the configuration, or the demo server when it names none. */
import { configSchema, type UpstreamConfig } from "../core/config.ts";
import type { UpstreamAccess } from "../gateway/snapshot.ts";
import type { Configuration } from "./configuration.ts";
import type { DemoUpstream } from "./demo_upstream.ts";

export interface ResolvedUpstreams {
  readonly configs: ReadonlyMap<string, UpstreamConfig>;
  /** Secret request headers per upstream. */
  readonly headers: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly access: ReadonlyMap<string, UpstreamAccess>;
}

/** Joins what the configuration says of each upstream with its secrets and its tenants. */
export function resolveUpstreams(
  configuration: Configuration,
  demo: DemoUpstream | undefined,
): ResolvedUpstreams {
  const written = demo === undefined
    ? configuration.config.upstreams
    : configSchema.parse({ upstreams: { acme: { url: demo.url } } }).upstreams;
  const configs = new Map(Object.entries(written ?? {}));
  const access = new Map<string, UpstreamAccess>();
  for (const [name, { tenants }] of configs) {
    access.set(name, { tenants: tenants.includes("*") ? "*" : new Set(tenants) });
  }
  return { configs, headers: configuration.upstreamHeaders, access };
}
