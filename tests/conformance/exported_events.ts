import assert from "node:assert/strict";
import { readTar } from "../../audit/export/tar.ts";
import type { GatewayProcess } from "../gateway_process.ts";

const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** The canonical text of the events in an export of a whole chain; those that are redacted or pruned are none. */
export async function exportedEvents(gateway: GatewayProcess, chain: string): Promise<readonly string[]> {
  const response = await gateway.api("GET", `/api/v1/audit/export?tenant=${encodeURIComponent(chain)}`);
  assert.ok(response.ok && response.body !== null, `${chain}: ${response.status}`);
  const lines = [];
  for await (const { name, content } of readTar(response.body, MAX_FILE_BYTES)) {
    if (!name.startsWith("events/")) continue;
    lines.push(...new TextDecoder().decode(content).split("\n").filter(isEvent));
  }
  return lines;
}

/** Neither the end of a part nor the digest of a pruned event. */
function isEvent(line: string): boolean {
  return line !== "" && !line.startsWith('{"pruned"');
}
