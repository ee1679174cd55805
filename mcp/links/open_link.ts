/** Finds out which transport and era an HTTP upstream speaks, and opens the link. */
import { UpstreamFailure } from "../upstream_connection.ts";
import type { ProtocolEra, UpstreamLink } from "../upstream_link.ts";
import type { HttpLinkOptions } from "./http_exchanges.ts";
import { openHttpLegacyLink } from "./http_legacy_link.ts";
import { openHttpModernLink } from "./http_modern_link.ts";
import { openSseLink } from "./sse_link.ts";

/** How a server that does not know `server/discover` may answer it. */
const NOT_MODERN: readonly string[] = [
  ...["not_modern", "not_mcp", "handshake_refused", "timeout", "stream_closed"],
  ...["http_400", "http_404", "http_405", "http_406", "http_415", "http_422", "http_500", "http_501"],
];
/** How a server that has only HTTP+SSE answers a POST. */
const NOT_STREAMABLE: readonly string[] = ["http_400", "http_404", "http_405", "handshake_refused"];
/** Who does not answer `server/discover` in this time is taken for a server that does not know it. */
const PROBE_TIMEOUT_MS = 5_000;

/**
 * Opens a link to an HTTP upstream, in the given era or in the newest that it speaks; HTTP+SSE comes last. Throws
 * `UpstreamFailure`, the first that says something of the upstream.
 */
export async function openHttpLink(options: HttpLinkOptions, era?: ProtocolEra): Promise<UpstreamLink> {
  if (era === "modern") return await openHttpModernLink(options);
  if (era === undefined) {
    const modern = await openHttpModernLink(options, PROBE_TIMEOUT_MS)
      .catch((error) => unless(error, NOT_MODERN));
    if (modern !== undefined) return modern;
  }
  let refused: unknown;
  const legacy = await openHttpLegacyLink(options).catch((error) => {
    refused = error;
    return unless(error, NOT_STREAMABLE);
  });
  if (legacy !== undefined) return legacy;
  return await openSseLink(options).catch(() => {
    throw refused;
  });
}

/** Nothing for a failure that another way may not have; throws every other one again. */
function unless(error: unknown, codes: readonly string[]): undefined {
  if (!(error instanceof UpstreamFailure) || !codes.includes(error.code)) throw error;
}
