/**
 * OAuth 2.0 Protected Resource Metadata (RFC 9728): where a client learns from whom it may get a token. Source of the paths:
 * RFC 9728 §3.1, the well-known one between the origin of the endpoint and its path.
 */
import { refuseForeignHost } from "./request_gate.ts";
import type { HostRules } from "./request_gate.ts";

export const METADATA_PATH = "/.well-known/oauth-protected-resource";

/** What the metadata is made of. */
export interface ResourceRules extends HostRules {
  /** URL under which agents reach the gateway, without query and fragment; absent: the host that the request names. */
  readonly publicUrl?: string | undefined;
  /** Issuers whose tokens count here besides capability tokens. */
  readonly authorizationServers?: readonly string[];
}

const MAX_PATH_LENGTH = 256;

/** Paths of endpoints, and of all of them together. */
const ENDPOINT_PATH = /^(\/mcp(\/[^/]+)?)?$/;

/**
 * The metadata of one endpoint; `path` is empty or begins with a slash, and may have the path of `publicUrl` before the
 * gateway's own. Says nothing about which upstreams exist.
 */
export function protectedResourceResponse(request: Request, path: string, rules: ResourceRules): Response {
  const foreign = refuseForeignHost(request, rules);
  if (foreign !== undefined) return foreign;
  const { authorizationServers = [] } = rules;
  const base = baseOf(request, rules);
  const isWhole = base.path !== "" && `${path}/`.startsWith(`${base.path}/`);
  const own = isWhole ? path.slice(base.path.length) : path;
  if (!ENDPOINT_PATH.test(own)) return new Response(null, { status: 404 });
  return Response.json({
    resource: base.origin + base.path + own,
    ...(authorizationServers.length === 0 ? {} : { authorization_servers: authorizationServers }),
    bearer_methods_supported: ["header"],
    resource_name: "IntentGate",
  }, { headers: { "cache-control": "no-store" } });
}

/** Where the metadata of the endpoint that was asked is: goes into `WWW-Authenticate`. */
export function metadataUrl(request: Request, rules: ResourceRules): string {
  const { pathname } = new URL(request.url);
  // As the URL parser writes it, a path has neither quotes nor control characters.
  const path = pathname.length > MAX_PATH_LENGTH ? "" : pathname;
  const base = baseOf(request, rules);
  return base.origin + METADATA_PATH + base.path + path;
}

interface Base {
  readonly origin: string;
  /** Empty, or begins with a slash and ends with none. */
  readonly path: string;
}

function baseOf(request: Request, { publicUrl }: ResourceRules): Base {
  if (publicUrl !== undefined) {
    const { origin, pathname } = new URL(publicUrl);
    return { origin, path: pathname.replace(/\/+$/, "") };
  }
  // The Host has been held against the allowed ones.
  const host = request.headers.get("host");
  return { origin: host === null ? new URL(request.url).origin : `http://${host}`, path: "" };
}
