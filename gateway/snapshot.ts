import { ALL_UPSTREAMS, type Principal, type ToolCall } from "../core/call.ts";
import type { Stage } from "../plugins/loading.ts";

/** Who may use an upstream; `"*"` is every tenant. */
export interface UpstreamAccess {
  readonly tenants: "*" | ReadonlySet<string>;
}

/** What one call sees from start to end. A reload builds a new one and swaps one reference. */
export interface Snapshot {
  readonly stages: readonly Stage[];
  readonly upstreams: ReadonlyMap<string, UpstreamAccess>;
  readonly settingsVersion: number;
}

/** Whether that upstream exists and that tenant may use it; callers get the same answer for both kinds of no. */
export function mayUseUpstream(snapshot: Snapshot, upstream: string, tenant: string): boolean {
  const access = snapshot.upstreams.get(upstream);
  return access !== undefined && (access.tenants === "*" || access.tenants.has(tenant));
}

/** Whether the upstream is none of the tenant's: whatever is wrong with the call besides must not tell that it exists. */
export function isForeign({ upstream, name }: ToolCall, snapshot: Snapshot, { tenant }: Principal): boolean {
  const isForAll = upstream === ALL_UPSTREAMS && name === "";
  return !isForAll && !mayUseUpstream(snapshot, upstream, tenant);
}
