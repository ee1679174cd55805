/** A good request for every route of the admin API, for tests that walk all of them. */
import { NAMED_TOKEN } from "./actions_fixture.ts";

/** `token`: where it takes an operator with a name. */
interface GoodRequest {
  readonly path: string;
  readonly body?: unknown;
  readonly token?: string;
}

/** Every route by method and path, with a request about a tenant that is right but for who asks. */
export const REQUESTS: Readonly<Record<string, (tenant: string) => GoodRequest>> = {
  "POST /tokens": (tenant) => ({ path: "/tokens", body: { tenant, agent: "a", ttl_seconds: 60 } }),
  "GET /tokens": (tenant) => ({ path: `/tokens?tenant=${tenant}` }),
  "GET /revocations": (tenant) => ({ path: `/revocations?tenant=${tenant}` }),
  "GET /self": () => ({ path: "/self" }),
  "GET /upstreams": () => ({ path: "/upstreams" }),
  "GET /tools": () => ({ path: "/tools" }),
  "GET /tools/:upstream/:name": (tenant) => ({ path: toolOf(tenant) }),
  "POST /tools/:upstream/:name/approve": (tenant) => ({
    path: `${toolOf(tenant)}/approve`,
    body: { digest: `v1:${"2".repeat(64)}`, reason: "x" },
  }),
  "POST /tools/:upstream/:name/block": (tenant) => ({
    path: `${toolOf(tenant)}/block`,
    body: { reason: "x" },
  }),
  "GET /openapi.json": () => ({ path: "/openapi.json" }),
  "POST /revocations": (tenant) => ({
    path: "/revocations",
    body: { tenant, block_id: "A".repeat(43), reason: "x" },
  }),
  "GET /audit/events": (tenant) => ({ path: `/audit/events?tenant=${tenant}` }),
  "GET /audit/search": (tenant) => ({ path: `/audit/search?tenant=${tenant}` }),
  "GET /audit/stream": (tenant) => ({ path: `/audit/stream?tenant=${tenant}` }),
  "GET /audit/values": (tenant) => ({ path: `/audit/values?tenant=${tenant}&seq=2` }),
  "GET /audit/verify": (tenant) => ({ path: `/audit/verify?tenant=${tenant}` }),
  "GET /audit/log/:chain": (tenant) => ({ path: `/audit/log/${tenant}` }),
  "GET /audit/log/:chain/checkpoint": (tenant) => ({ path: `/audit/log/${tenant}/checkpoint` }),
  "GET /audit/log/:chain/tile/entries/:index": (tenant) => ({
    path: `/audit/log/${tenant}/tile/entries/000.p%2F3`,
  }),
  "GET /audit/log/:chain/tile/:level/:index": (tenant) => ({ path: `/audit/log/${tenant}/tile/0/000.p%2F3` }),
  "GET /audit/proof": (tenant) => ({ path: `/audit/proof?tenant=${tenant}&seq=2` }),
  "GET /audit/consistency": (tenant) => ({ path: `/audit/consistency?tenant=${tenant}&from=2&to=4` }),
  "POST /audit/prunes": (tenant) => ({ path: "/audit/prunes", body: { tenant }, token: NAMED_TOKEN }),
  "POST /audit/erasures": (tenant) => ({
    path: "/audit/erasures",
    body: { tenant, agent: "bot" },
    token: NAMED_TOKEN,
  }),
  "GET /audit/actions": () => ({ path: "/audit/actions" }),
  "POST /audit/actions/:id/confirm": (tenant) => ({
    path: `/audit/actions/erase-${tenant}/confirm`,
    token: NAMED_TOKEN,
  }),
  "GET /audit/places": (tenant) => ({ path: `/audit/places?tenant=${tenant}` }),
  "GET /audit/export": (tenant) => ({ path: `/audit/export?tenant=${tenant}` }),
  "GET /audit/events.csv": (tenant) => ({ path: `/audit/events.csv?tenant=${tenant}` }),
  "POST /operators": () => ({
    path: "/operators",
    body: { id: "new", role: "viewer", tenants: ["acme"], ttl_seconds: 60 },
  }),
  "GET /operators": () => ({ path: "/operators" }),
  "DELETE /operators/:id": () => ({ path: "/operators/victim" }),
  "POST /tenants": () => ({ path: "/tenants", body: { name: "fresh" } }),
  "GET /tenants": () => ({ path: "/tenants" }),
  "GET /tenants/:name": (tenant) => ({ path: `/tenants/${tenant}` }),
  "PATCH /tenants/:name": (tenant) => ({ path: `/tenants/${tenant}`, body: { version: 1, settings: {} } }),
  "POST /kill-switches": (tenant) => ({
    path: "/kill-switches",
    body: { scope: "tenant", tenant, reason: "x" },
  }),
  "GET /kill-switches": () => ({ path: "/kill-switches" }),
  "POST /kill-switches/:number/release": (tenant) => ({
    path: `/kill-switches/${STOPPED.indexOf(tenant) + 1}/release`,
    body: { reason: "x" },
  }),
};

/** Tenants with an engaged kill switch, whose numbers count from 1. */
export const STOPPED = ["acme", "default"];

/** A tool of an upstream that only this tenant may use. */
function toolOf(tenant: string): string {
  return `/tools/${{ acme: "erp", default: "desk" }[tenant] ?? tenant}/pay`;
}
