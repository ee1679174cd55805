/** A request for a list, as the upstream gets it. */
import type { Arrival, FrontParts } from "../arrival.ts";
import type { Admission } from "../port.ts";
import { type Exchange, exchangeWith, type ResolvedUpstream } from "../upstream_connection.ts";
import { bodyForUpstream } from "./body.ts";
import { headersForUpstream, type ModernRequest } from "./request_headers.ts";

/** Sends it; throws `UpstreamFailure`. */
export function sendModernList(
  parts: FrontParts,
  arrival: Arrival,
  request: ModernRequest,
  { admitted, upstream, signal = arrival.request.signal }: {
    readonly admitted: Admission;
    readonly upstream: ResolvedUpstream;
    readonly signal?: AbortSignal;
  },
): Promise<Exchange> {
  return exchangeWith(upstream, {
    method: "POST",
    body: bodyForUpstream(request, upstream.client_requests),
    agentHeaders: arrival.request.headers,
    protocolVersion: request.version,
    mcpHeaders: headersForUpstream(request.message, arrival.request.headers),
    signal,
    caller: admitted,
  }, parts);
}
