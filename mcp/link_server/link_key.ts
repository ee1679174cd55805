/** Which link a request goes over: one that its tenant shares, or one of its own. */
import type { Transport } from "../../core/upstream_transport.ts";
import type { JsonObject } from "../../core/json.ts";
import { catalogueCapabilities, passedCapabilities } from "../handshake.ts";
import { bridgedClientCapabilities } from "../links/era_results.ts";
import type { LinkKey } from "../links/link_pool.ts";
import type { ClientRequest } from "../server_requests.ts";

/** What the link server needs to know of an upstream. */
export interface LinkedUpstream {
  readonly name: string;
  readonly transport: Transport;
  readonly timeout_ms: number;
  readonly idle_timeout_ms?: number | undefined;
  readonly max_response_bytes: number;
  readonly client_requests: readonly ClientRequest[];
  /** As whom the gateway itself asks, for example for the definitions of tools. */
  readonly homeTenant: string;
}

/** The one for whom a link is wanted. */
export interface LinkUser {
  readonly tenant: string;
  /** Of its token, root first. */
  readonly blockIds: readonly string[];
  /** The session of a legacy client. */
  readonly session?: string;
  /** Capabilities that the client declared. */
  readonly capabilities: JsonObject;
}

/** The link of the gateway itself: the one that the tenant's agents share, unless the upstream may ask clients. */
export function homeKey(upstream: LinkedUpstream): LinkKey {
  const { name, homeTenant, client_requests } = upstream;
  const clientCapabilities = offeredCapabilities(upstream, catalogueCapabilities(client_requests));
  const isAsked = Object.keys(clientCapabilities).length > 0;
  return { upstream: name, tenant: homeTenant, ...(isAsked ? { clientCapabilities } : {}) };
}

/**
 * The user's link. A program is shared by the tenant's agents unless it may ask its client something, because then it must
 * be certain whom: the holder of one token, not of one that was made from it. An HTTP session costs nothing and is always so.
 */
export function linkKeyOf(upstream: LinkedUpstream, user: LinkUser): LinkKey {
  const clientCapabilities = offeredCapabilities(upstream, user.capabilities);
  const shared = { upstream: upstream.name, tenant: user.tenant };
  const isAsked = Object.keys(clientCapabilities).length > 0;
  if (upstream.transport === "stdio" && !isAsked) return shared;
  return {
    ...{ ...shared, blockIds: user.blockIds },
    ...(user.session === undefined ? {} : { session: user.session }),
    ...(isAsked ? { clientCapabilities } : {}),
    ...(upstream.transport === "stdio" ? { isProcess: true } : {}),
  };
}

/** What the upstream may ask this client. */
export function offeredCapabilities(
  { client_requests }: Pick<LinkedUpstream, "client_requests">,
  capabilities: JsonObject,
): JsonObject {
  return bridgedClientCapabilities(passedCapabilities(capabilities, client_requests));
}
