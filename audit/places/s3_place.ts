/**
 * A bucket of S3, or of something that speaks its language, with object lock: an object per checkpoint, which nobody can
 * delete or replace before its day, https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html.
 */
import { AwsV4Signer } from "aws4fetch";
import { createHash } from "node:crypto";
import type { S3PlaceConfig } from "../../core/checkpoint_places.ts";
import { checkpointFileName, type HeldOptions, judgeAll, judgeHeld, sizeOfName } from "./held_checkpoint.ts";
import {
  type CheckpointPlace,
  type PlaceConflict,
  type PlacedCheckpoint,
  PlaceError,
  type PushResult,
} from "./place.ts";
import { askPlace, type PlaceRequest, refusedBy } from "./place_request.ts";
import {
  parseVersions,
  type S3Marker,
  type S3Version,
  type S3VersionPage,
  versionsQuery,
} from "./s3_versions.ts";

/** Secrets of one S3 place, resolved. */
export interface S3Secrets {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Options extends HeldOptions {
  readonly secrets: S3Secrets;
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
}

const DAY_MS = 86_400_000;
/** The service may round; a shorter lock is none. */
const ROUNDING_MS = 60_000;
/** Whoever may write there can fill a listing with names: then the place fails, unless what was listed tells more. */
const MAX_PAGES = 25;

type Ask = (
  method: PlaceRequest["method"],
  /** Below the bucket. */
  path: string,
  sent?: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
) => ReturnType<typeof askPlace>;

/** Makes it. */
export function s3Place(config: S3PlaceConfig, options: S3Options): CheckpointPlace {
  return {
    ...{ name: config.name, type: config.type, intervalSeconds: config.interval_seconds },
    async push(checkpoint, heldSize, signal) {
      const ask = askBucket(config, options, signal);
      const conflict = await lookBeyond(ask, heldSize, checkpoint, config.prefix, options);
      if (conflict !== undefined) return { kind: "conflict", ...conflict };
      const path = `/${config.prefix}${checkpointFileName(checkpoint)}`;
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

function askBucket(config: S3PlaceConfig, options: S3Options, signal: AbortSignal): Ask {
  const base = `${config.endpoint.replace(/\/+$/, "")}/${config.bucket}`;
  return async (method, path, { headers, body } = { headers: {}, body: "" }) => {
    const url = `${base}${path}`;
    const signed = await signedHeaders(config, options, { method, url, headers, body });
    const sent = method === "PUT" ? { body } : {};
    return await askPlace(url, { method, headers: signed, ...sent, signal, timeoutMs: config.timeout_ms });
  };
}

/**
 * What a database that was restored from a backup does not remember: checkpoints that are larger than what it says that the
 * bucket has. Before every push: the database may be restored while we run.
 */
async function lookBeyond(
  ask: Ask,
  heldSize: number,
  checkpoint: PlacedCheckpoint,
  prefix: string,
  options: S3Options,
): Promise<PlaceConflict | undefined> {
  const { chain, size } = checkpoint;
  const known = Math.min(heldSize, size);
  const listed = await listFrom(ask, prefix, { chain, size: known });
  // Where a place is new here and old there, the smallest of its checkpoints are enough besides those larger than ours.
  const larger = listed.isWhole || known === size ? undefined : await listFrom(ask, prefix, checkpoint);
  const all = [...listed.versions, ...larger?.versions ?? []];
  const sizeOf = ({ name }: S3Version) => sizeOfName(name) ?? -1;
  const beyond = all.filter((version) => sizeOf(version) > known);
  const conflict = await judgeAll(beyond, checkpoint, sizeOf, async (version) => {
    const path = `/${prefix}${chain}/${version.name}?versionId=${encodeURIComponent(version.versionId)}`;
    const there = await ask("GET", path);
    if (there.status !== 200) throw refusedBy(there);
    return await judgeHeld(there.text, sizeOf(version), checkpoint, options);
  });
  // Only now: a log that was rolled back by far leaves more than that, and any one of them tells.
  if (conflict !== undefined || (larger ?? listed).isWhole) return conflict;
  throw new PlaceError(`Expected at most ${MAX_PAGES} pages of versions after this checkpoint, found more`);
}

/** Versions under the names after that of a checkpoint. */
async function listFrom(
  ask: Ask,
  prefix: string,
  after: Pick<PlacedCheckpoint, "chain" | "size">,
): Promise<{ readonly versions: readonly S3Version[]; readonly isWhole: boolean }> {
  const folder = `${prefix}${after.chain}/`;
  const versions: S3Version[] = [];
  let next: S3Marker | undefined = { key: `${prefix}${checkpointFileName(after)}`, versionId: "" };
  for (let pages = 0; next !== undefined && pages < MAX_PAGES; pages++) {
    const answer = await ask("GET", versionsQuery(folder, next));
    if (answer.status !== 200) throw refusedBy(answer);
    const page: S3VersionPage = parseVersions(answer.text, folder);
    versions.push(...page.versions);
    next = page.next;
  }
  return { versions, isWhole: next === undefined };
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
  options: S3Options,
): Promise<PushResult> {
  const there = await ask("GET", path);
  if (there.status !== 200) throw refusedBy(there);
  const conflict = await judgeHeld(there.text, checkpoint.size, checkpoint, options);
  if (conflict !== undefined) return { kind: "conflict", ...conflict };
  await requireLock(ask, path, new Date(options.nowMs()));
  return { kind: "taken" };
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
