/** What the gateway itself answers to `server/discover`. */
import type { JsonObject } from "../../core/json.ts";
import { answerJson } from "../answer_body.ts";
import type { FrontParts } from "../arrival.ts";
import { GOVERNED_CAPABILITIES } from "../handshake.ts";
import { SERVER_INFO_META } from "../links/modern_meta.ts";
import type { Admitted } from "../port.ts";
import type { MessageId } from "../refusals.ts";
import type { UnreadRoom } from "../unread_answers.ts";
import type { Discovered } from "./discoveries.ts";

/** How long what a server says about itself may be kept. */
const DISCOVER_TTL_MS = 30_000;

/** The gateway's own answer: what is governed of what the upstream has. */
export function discoverResponse(
  parts: FrontParts,
  id: MessageId,
  { admitted, discovery, room }: {
    readonly admitted: Admitted;
    readonly discovery: Discovered;
    readonly room: UnreadRoom;
  },
): Response {
  const { versions, capabilities, serverInfo, instructions } = discovery;
  const governed = GOVERNED_CAPABILITIES.filter((name) => capabilities[name] !== undefined);
  const leftMs = Math.max(0, Math.floor(admitted.expiresAt * 1000 - parts.nowMs()));
  const result: JsonObject = {
    resultType: "complete",
    supportedVersions: versions,
    capabilities: Object.fromEntries(governed.map((name) => [name, capabilities[name]])),
    ...(instructions === undefined ? {} : { instructions }),
    ...{ ttlMs: Math.min(DISCOVER_TTL_MS, leftMs), cacheScope: "private" },
    ...(serverInfo === undefined ? {} : { _meta: { [SERVER_INFO_META]: serverInfo } }),
  };
  return answerJson(JSON.stringify({ jsonrpc: "2.0", id, result }), room);
}
