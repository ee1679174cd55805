/**
 * Every version of every object under a prefix, also of those that somebody has put a delete marker on: with object lock
 * versions cannot go, but markers can hide them from everything else.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
 */
import { PlaceError } from "./place.ts";

/** One version of an object, by its key without the prefix. */
export interface S3Version {
  readonly name: string;
  readonly versionId: string;
}

/** Where a listing goes on. */
export interface S3Marker {
  readonly key: string;
  readonly versionId: string;
}

export interface S3VersionPage {
  readonly versions: readonly S3Version[];
  /** Absent: that was the last page. */
  readonly next?: S3Marker;
}

/** Keys of strangers may have 1,024 characters, and an answer has its bound. */
const VERSIONS_A_PAGE = 40;

/** The query of a page. */
export function versionsQuery(prefix: string, from: S3Marker): string {
  const query = new URLSearchParams({
    ...{ "max-keys": String(VERSIONS_A_PAGE), prefix, "key-marker": from.key },
    ...(from.versionId === "" ? {} : { "version-id-marker": from.versionId }),
  });
  return `?versions&${query}`;
}

/** Reads a page; throws `PlaceError` for one that does not say where the next one begins. */
export function parseVersions(xml: string, prefix: string): S3VersionPage {
  const versions = [...xml.matchAll(/<Version>(.*?)<\/Version>/gs)].flatMap(([, version = ""]) => {
    const [key, versionId] = [textIn(version, "Key") ?? "", textIn(version, "VersionId") ?? "null"];
    return key.startsWith(prefix) ? [{ name: key.slice(prefix.length), versionId }] : [];
  });
  if (textIn(xml, "IsTruncated") !== "true") return { versions };
  const key = textIn(xml, "NextKeyMarker");
  if (key === undefined) throw new PlaceError("Expected NextKeyMarker in a list of versions, found none");
  return { versions, next: { key, versionId: textIn(xml, "NextVersionIdMarker") ?? "" } };
}

function textIn(xml: string, element: string): string | undefined {
  const [, text] = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml) ?? [];
  return text?.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi, unescaped);
}

const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(whole: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return NAMED[name.toLowerCase()] ?? whole;
  const code = decimal === undefined ? parseInt(hex ?? "", 16) : Number(decimal);
  return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
}
