/** The part of the configuration that says where signed checkpoints are pushed: outside, where the operator cannot change them. */
import * as z from "zod";
import { isLoopback, secretSource } from "./upstream_transport.ts";

/** Types of places, in the order in which the reference page explains them. */
export const CHECKPOINT_PLACE_TYPES = ["witness", "s3", "webhook", "file"] as const;
export type CheckpointPlaceType = typeof CHECKPOINT_PLACE_TYPES[number];

/** Names of places: they stand in metrics, in the log and in the database. */
export const checkpointPlaceName = z.string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "a name matches [a-z0-9][a-z0-9_-]{0,62}");

/** A manifest of an export names as many witnesses. */
const MAX_PLACES = 16;

const placeUrl = z.url({ protocol: /^https?$/ })
  .refine(
    (text) => !URL.canParse(text) || new URL(text).protocol === "https:" || isLoopback(text),
    "it begins with https:// unless it is on this machine",
  )
  .refine(
    (text) => !/^[a-z]+:\/\/[^/?#]*@/i.test(text) && !text.includes("#"),
    "a URL without user, password and fragment",
  );

function common(defaultSeconds: number) {
  return {
    name: checkpointPlaceName.describe("A new place gets a new name: the state of each is kept under it."),
    interval_seconds: z.int().min(1).max(86_400).default(defaultSeconds)
      .describe("No chain is pushed more often; always its newest checkpoint."),
  };
}

const timeout_ms = z.int().min(100).max(30_000).default(10_000).describe("Time for one request.");

/** A cosigning witness (C2SP tlog-witness, https://c2sp.org/tlog-witness). */
export const witnessPlace = z.strictObject({
  type: z.literal("witness"),
  ...common(10),
  timeout_ms,
  url: placeUrl.describe('Its submission prefix; "/add-checkpoint" is appended.'),
  public_key: z.string()
    .regex(
      /^[^\s+]{1,512}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}$/,
      'a verifier key "name+keyid+base64" of one line',
    )
    .describe("Its verifier key (https://c2sp.org/signed-note), of type 0x04."),
});

/** A bucket whose objects cannot be deleted before a day. */
export const s3Place = z.strictObject({
  type: z.literal("s3"),
  ...common(900),
  timeout_ms,
  endpoint: placeUrl.describe(
    "For example https://s3.eu-central-1.amazonaws.com; the bucket becomes part of the path.",
  ),
  region: z.string().regex(/^[a-z0-9-]{1,63}$/, "a region like eu-central-1").default("us-east-1"),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "the name of a bucket")
    .describe("It must have been made with object lock."),
  prefix: z.string().max(500)
    .regex(/^([A-Za-z0-9_~-][A-Za-z0-9._~-]*\/)*$/, 'segments of [A-Za-z0-9._~-], each followed by "/"')
    .default("intentgate/").describe("Begins every key; each installation needs one of its own."),
  retention_days: z.int().min(1).max(36_500).default(3_650)
    .describe("So long nobody can delete or replace a checkpoint there."),
  mode: z.enum(["COMPLIANCE", "GOVERNANCE"]).default("COMPLIANCE")
    .describe("With COMPLIANCE not even the owner of the account can shorten that."),
  access_key_id: secretSource,
  secret_access_key: secretSource,
  session_token: secretSource.optional().describe("Only for temporary credentials."),
});

/** A receiver of Standard Webhooks (https://www.standardwebhooks.com). */
export const webhookPlace = z.strictObject({
  type: z.literal("webhook"),
  ...common(60),
  timeout_ms,
  url: placeUrl.describe("Gets a POST per checkpoint."),
  secret: secretSource.describe('Signs it: "whsec_" and 24 to 64 bytes in base64.'),
});

/** A folder, for example one that another machine or a write-once medium holds. */
export const filePlace = z.strictObject({
  type: z.literal("file"),
  ...common(60),
  path: z.string().min(1).max(4_096).describe("The folder; every checkpoint becomes a file below it."),
});

/** All places of an installation. */
export const checkpointPlaces = z.array(
  z.discriminatedUnion("type", [witnessPlace, s3Place, webhookPlace, filePlace]),
).max(MAX_PLACES).superRefine((places, context) => {
  for (const [index, { name }] of places.entries()) {
    if (places.findIndex((place) => place.name === name) === index) continue;
    context.addIssue({ code: "custom", message: "two places have this name", path: [index, "name"] });
  }
});

export type CheckpointPlaceConfig = z.infer<typeof checkpointPlaces>[number];
export type S3PlaceConfig = z.infer<typeof s3Place>;
export type WitnessPlaceConfig = z.infer<typeof witnessPlace>;
export type WebhookPlaceConfig = z.infer<typeof webhookPlace>;
export type FilePlaceConfig = z.infer<typeof filePlace>;

/** Every member that some place has, for messages about one that none has. */
export const CHECKPOINT_PLACE_MEMBERS: readonly string[] = [
  ...new Set([witnessPlace, s3Place, webhookPlace, filePlace].flatMap(({ shape }) => Object.keys(shape))),
];
