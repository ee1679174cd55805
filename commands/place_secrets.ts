/** The secrets of checkpoint places: keys of S3 and secrets of webhooks. */
import { parseWebhookSecret } from "../audit/places/webhook_place.ts";
import type { S3Secrets } from "../audit/places/s3_place.ts";
import type { CheckpointPlaceConfig, S3PlaceConfig } from "../core/checkpoint_places.ts";
import { GatewayError } from "../core/errors.ts";
import type { Surroundings } from "./configuration.ts";
import { resolveSource } from "./secrets.ts";

/** Resolved, by the name of the place. */
export interface PlaceSecrets {
  readonly s3: ReadonlyMap<string, S3Secrets>;
  readonly webhooks: ReadonlyMap<string, Uint8Array>;
}

/** Reads them; throws `GatewayError` for one that is not there or not usable. */
export async function resolvePlaceSecrets(
  places: readonly CheckpointPlaceConfig[],
  surroundings: Surroundings,
): Promise<PlaceSecrets> {
  const s3 = new Map<string, S3Secrets>();
  const webhooks = new Map<string, Uint8Array>();
  for (const place of places) {
    if (place.type === "s3") s3.set(place.name, await s3Secrets(place, surroundings));
    if (place.type !== "webhook") continue;
    const what = `the secret of checkpoint place "${place.name}"`;
    const bytes = parseWebhookSecret(await resolveSource(surroundings, place.secret, what));
    if (bytes === undefined) {
      throw new GatewayError(
        "config_invalid",
        `Expected "whsec_" and 24 to 64 bytes in base64 as ${what}, found another text`,
      );
    }
    webhooks.set(place.name, bytes);
  }
  return { s3, webhooks };
}

async function s3Secrets(place: S3PlaceConfig, surroundings: Surroundings): Promise<S3Secrets> {
  const resolve = async (member: "access_key_id" | "secret_access_key" | "session_token") => {
    const source = place[member];
    const what = `${member} of checkpoint place "${place.name}"`;
    return source === undefined ? undefined : await resolveSource(surroundings, source, what);
  };
  const sessionToken = await resolve("session_token");
  return {
    accessKeyId: await resolve("access_key_id") ?? "",
    secretAccessKey: await resolve("secret_access_key") ?? "",
    ...(sessionToken === undefined ? {} : { sessionToken }),
  };
}
