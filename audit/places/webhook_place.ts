/** A webhook as Standard Webhooks 1.0.0 has it, https://github.com/standard-webhooks/standard-webhooks. */
import { createHash, createHmac } from "node:crypto";
import { decodeBase64 } from "../../core/base64.ts";
import type { WebhookPlaceConfig } from "../../core/checkpoint_places.ts";
import { hex } from "../digest.ts";
import type { CheckpointPlace, PlacedCheckpoint } from "./place.ts";
import { askPlace, refusedBy } from "./place_request.ts";

const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;

/** The bytes of a webhook's secret, `undefined` for a text that is none. */
export function parseWebhookSecret(text: string): Uint8Array | undefined {
  const bytes = text.startsWith("whsec_") ? decodeBase64(text.slice("whsec_".length)) : undefined;
  if (bytes === undefined || bytes.length < MIN_SECRET_BYTES || bytes.length > MAX_SECRET_BYTES) {
    return undefined;
  }
  return bytes;
}

/** Makes it. `nowMs`: epoch milliseconds. */
export function webhookPlace(
  config: WebhookPlaceConfig,
  options: { readonly secret: Uint8Array; readonly nowMs: () => number },
): CheckpointPlace {
  return {
    ...{ name: config.name, type: config.type, intervalSeconds: config.interval_seconds },
    async push(checkpoint, _heldSize, signal) {
      const nowMs = options.nowMs();
      const body = payload(checkpoint, nowMs);
      const [id, timestamp] = [idOf(checkpoint), String(Math.floor(nowMs / 1000))];
      const mac = createHmac("sha256", options.secret).update(`${id}.${timestamp}.${body}`, "utf8");
      const answer = await askPlace(config.url, {
        ...{ method: "POST", body, signal, timeoutMs: config.timeout_ms },
        headers: {
          "content-type": "application/json",
          ...{ "webhook-id": id, "webhook-timestamp": timestamp },
          "webhook-signature": `v1,${mac.digest("base64")}`,
        },
      });
      if (answer.status < 200 || answer.status > 299) throw refusedBy(answer);
      return { kind: "taken" };
    },
  };
}

/** The same for every try of one checkpoint, so that a receiver knows what it already has. */
function idOf({ note }: PlacedCheckpoint): string {
  return `checkpoint_${createHash("sha256").update(note, "utf8").digest("hex").slice(0, 32)}`;
}

function payload({ chain, origin, size, root, note }: PlacedCheckpoint, nowMs: number): string {
  return JSON.stringify({
    ...{ type: "checkpoint.signed", timestamp: new Date(nowMs).toISOString() },
    data: { tenant: chain, origin, size, root: hex(root), checkpoint: note },
  });
}
