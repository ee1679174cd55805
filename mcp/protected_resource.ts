/**
 * OAuth 2.0 Protected Resource Metadata (RFC 9728): where a client learns from whom it may get a token. Source of the paths:
 * RFC 9728 §3.1, the endpoint's path after the well-known one.
 */
import { refuseForeignHost } from "./request_gate.ts";
import type { HostRules } from "./request_gate.ts";

export const METADATA_PATH = "/.well-known/oauth-protected-resource";

/** What the metadata is made of. */
export interface ResourceRules extends HostRules {
  /** URL under which agents reach the gateway; absent: the host that the request names. */
  readonly publicUrl?: string | undefined;
  /** Issuers whose tokens count here besides capability tokens. */
  readonly authorizationServers?: readonly string[];
}

const MAX_PATH_LENGTH = 256;

/** The metadata of one endpoint; `path` is empty or begins with a slash. Says nothing about which upstreams exist. */
export function protectedResourceResponse(request: Request, path: string, rules: ResourceRules): Response {
  const foreign = refuseForeignHost(request, rules);
  if (foreign !== undefined) return foreign;
  const { authorizationServers = [] } = rules;
  return Response.json({
    resource: baseUrl(request, rules) + path,
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
  return baseUrl(request, rules) + METADATA_PATH + path;
}

function baseUrl(request: Request, { publicUrl }: ResourceRules): string {
  if (publicUrl !== undefined) return publicUrl.replace(/\/+$/, "");
  // The Host has been held against the allowed ones.
  const host = request.headers.get("host");
  return host === null ? new URL(request.url).origin : `http://${host}`;
}
