import { UPSTREAM_ROUTES } from "./contract/upstreams.ts";
import { actsFor } from "./operator.ts";
import { nextAfter } from "./paging.ts";
import { type AdminRoute, reading } from "./route.ts";
import type { Operator } from "../core/operator.ts";

/** One tool server, as it is configured. */
export interface ConfiguredUpstream {
  readonly name: string;
  readonly url: string;
  /** Tenants that may use it; `"*"` among them is every tenant. */
  readonly tenants: readonly string[];
}

/** The tool servers that an operator's tenants may use. */
export function upstreamRoutes(upstreams: readonly ConfiguredUpstream[]): readonly AdminRoute[] {
  const inOrder = upstreams.toSorted((left, right) => left.name < right.name ? -1 : 1);
  return [
    reading(UPSTREAM_ROUTES.list, ({ operator, query: { after = "", limit } }) => {
      const seen = inOrder.map((upstream) => shown(upstream, operator))
        .filter(({ name, tenants }) => name > after && tenants.length > 0);
      const rows = seen.slice(0, limit);
      return { upstreams: rows, next_after: nextAfter(rows, limit, (row) => row.name) };
    }),
  ];
}

function shown({ name, url, tenants }: ConfiguredUpstream, operator: Operator) {
  const own = tenants.filter((tenant) => actsFor(operator, tenant));
  return {
    ...{ name, kind: "mcp" as const, url: withoutSecrets(url) },
    tenants: tenants.includes("*") ? "*" as const : own,
  };
}

/** Keys are passed in queries too often to show one. */
function withoutSecrets(text: string): string {
  if (text.startsWith("stdio:")) return text;
  const url = new URL(text);
  return `${url.origin}${url.pathname}`;
}
