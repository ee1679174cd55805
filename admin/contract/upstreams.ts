import * as z from "zod";
import { tenantName } from "../../core/config.ts";
import { routeSpec } from "./route.ts";
import { page, pageQuery } from "./words.ts";

/** Upstream names are stricter than this; as a cursor any text of their alphabet will do. */
const upstreamName = z.string().regex(
  /^[a-z0-9][a-z0-9_-]{0,62}$/,
  "an upstream name matches [a-z0-9][a-z0-9_-]{0,62}",
);

/** Tool servers, which stand in the configuration of the gateway. */
export const UPSTREAM_ROUTES = {
  list: routeSpec({
    id: "listUpstreams",
    ...{ method: "GET", path: "/upstreams", access: { role: "viewer", scope: "own" } },
    summary: "List the configured upstreams that the operator's tenants may use",
    query: pageQuery(upstreamName, {}),
    answer: {
      status: 200,
      description: "One page, in the order of names.",
      schema: page(
        "upstreams",
        z.strictObject({
          name: upstreamName,
          kind: z.literal("mcp").describe("What it speaks: MCP over Streamable HTTP."),
          url: z.string().describe("Without user, query and fragment, where secrets may stand."),
          tenants: z.union([z.literal("*"), z.array(tenantName)])
            .describe('Tenants that may use it, as far as they are the operator\'s; "*" for every tenant.'),
        }),
        upstreamName,
      ),
    },
  }),
} as const;
