/**
 * A bucket of S3, or of something that speaks its language, with object lock: an object per checkpoint, which nobody can
 * delete or replace before its day, https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html.
 */
import { AwsV4Signer } from "aws4fetch";
import { createHash } from "node:crypto";
import type { S3PlaceConfig } from "../../core/checkpoint_places.ts";
import type { NoteVerifier } from "../signed_note.ts";
import { checkpointFileName, isNewerName, judgeHeld } from "./held_checkpoint.ts";
import { type CheckpointPlace, type PlacedCheckpoint, PlaceError, type PushResult } from "./place.ts";
import { askPlace, type PlaceRequest, refusedBy } from "./place_request.ts";

/** Secrets of one S3 place, resolved. */
export interface S3Secrets {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Options {
  readonly secrets: S3Secrets;
  readonly verifiersOf: (origin: string) => readonly NoteVerifier[];
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
}

const DAY_MS = 86_400_000;
/** The service may round; a shorter lock is none. */
const ROUNDING_MS = 60_000;

type Ask = (
  method: PlaceRequest["method"],
  /** Below the bucket. */
  path: string,
  sent?: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
) => ReturnType<typeof askPlace>;

/** Makes it. */
export function s3Place(config: S3PlaceConfig, options: S3Options): CheckpointPlace {
  const base = `${config.endpoint.replace(/\/+$/, "")}/${config.bucket}`;
  /** Chains of which the bucket has nothing newer than our first. */
  const looked = new Set<string>();
  return {
    ...{ name: config.name, type: config.type, intervalSeconds: config.interval_seconds },
    async push(checkpoint, _heldSize, signal) {
      const ask: Ask = async (method, path, { headers, body } = { headers: {}, body: "" }) => {
        const url = `${base}${path}`;
        const signed = await signedHeaders(config, options, { method, url, headers, body });
        const sent = method === "PUT" ? { body } : {};
        return await askPlace(url, {
          method,
          headers: signed,
          ...sent,
          signal,
          timeoutMs: config.timeout_ms,
        });
      };
      const path = `/${config.prefix}${checkpointFileName(checkpoint)}`;
      if (!looked.has(checkpoint.chain)) {
        const newer = await findNewer(ask, config.prefix, checkpoint);
        if (newer !== undefined) return await judgeObject(ask, newer, checkpoint, options);
        looked.add(checkpoint.chain);
      }
      const until = new Date(options.nowMs() + config.retention_days * DAY_MS);
      const headers = lockHeaders(config, until, checkpoint);
      const put = await ask("PUT", path, { headers, body: checkpoint.note });
      if (put.status === 412) return await judgeObject(ask, path, checkpoint, options);
      if (put.status !== 200) throw refusedBy(put);
      await requireLock(ask, path, until);
      return { kind: "taken" };
    },
  };
}

/** What a database that was restored from a backup does not remember: a checkpoint that is larger than its newest. */
async function findNewer(
  ask: Ask,
  prefix: string,
  checkpoint: PlacedCheckpoint,
): Promise<string | undefined> {
  const folder = `${prefix}${checkpoint.chain}/`;
  const query = new URLSearchParams({
    ...{ "list-type": "2", "max-keys": "1", prefix: folder },
    "start-after": `${prefix}${checkpointFileName(checkpoint)}`,
  });
  const listed = await ask("GET", `?${query}`);
  if (listed.status !== 200) throw refusedBy(listed);
  const [, key = ""] = /<Key>([^<]+)<\/Key>/.exec(listed.text) ?? [];
  return key.startsWith(folder) && isNewerName(key.slice(folder.length), checkpoint) ? `/${key}` : undefined;
}

function lockHeaders({ mode }: S3PlaceConfig, until: Date, { note }: PlacedCheckpoint) {
  return {
    "content-type": "text/plain; charset=utf-8",
    "content-md5": createHash("md5").update(note, "utf8").digest("base64"), // S3 asks for it with a lock
    "if-none-match": "*",
    "x-amz-object-lock-mode": mode,
    "x-amz-object-lock-retain-until-date": until.toISOString(),
  };
}

/** The object was there: written by another replica, by an earlier try, or by a log that went another way. */
async function judgeObject(
  ask: Ask,
  path: string,
  checkpoint: PlacedCheckpoint,
  { verifiersOf, nowMs }: S3Options,
): Promise<PushResult> {
  const there = await ask("GET", path);
  if (there.status !== 200) throw refusedBy(there);
  const result = judgeHeld(there.text, checkpoint, verifiersOf);
  if (result.kind === "taken") await requireLock(ask, path, new Date(nowMs()));
  return result;
}

/** A service that does not know object lock may ignore it without a word. */
async function requireLock(ask: Ask, path: string, until: Date): Promise<void> {
  const answer = await ask("HEAD", path);
  if (answer.status !== 200) throw refusedBy(answer);
  const mode = answer.headers.get("x-amz-object-lock-mode");
  const locked = Date.parse(answer.headers.get("x-amz-object-lock-retain-until-date") ?? "");
  if (mode !== null && locked >= until.getTime() - ROUNDING_MS) return;
  throw new PlaceError(`Expected the object to be locked until ${until.toISOString()}, found it is not`);
}

/** AWS Signature Version 4 over all headers and the SHA-256 of the body. */
async function signedHeaders(
  { region }: S3PlaceConfig,
  { secrets, nowMs }: S3Options,
  { method, url, headers, body }: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  },
): Promise<Headers> {
  const signer = new AwsV4Signer({
    ...{ ...secrets, method, url, region, service: "s3" },
    headers: { ...headers, "x-amz-content-sha256": createHash("sha256").update(body, "utf8").digest("hex") },
    datetime: new Date(nowMs()).toISOString().replace(/[:-]|\.\d{3}/g, ""),
  });
  return new Headers((await signer.sign()).headers);
}
