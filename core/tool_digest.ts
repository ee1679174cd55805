/**
 * The digest of a tool's definition, version 1:
 * `"v1:" ‖ hex(SHA-256("intentgate-tool-v1" ‖ 0x00 ‖ JCS(document)))`, where JCS is RFC 8785 and the document is an object
 * with those of `name`, `title`, `description`, `inputSchema`, `outputSchema` and `annotations` that the upstream gave, each
 * exactly as it gave it. `icons`, `_meta` and `execution` stay out: they are no part of what a model reads or a policy
 * decides on, and servers put addresses and times into them that differ in every answer.
 *
 * The upstream is not inside: a pin stands under the upstream's name. Vectors: `tests/vectors/tool_digest.json`.
 */
import canonicalize from "canonicalize";
import { createHash } from "node:crypto";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

const DOMAIN = "intentgate-tool-v1\0";
const MEMBERS = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"] as const;

/** Longer definitions are not read: characters of canonical JSON. */
export const MAX_DEFINITION_LENGTH = 131_072;
/** Deeper ones neither. */
export const MAX_DEFINITION_DEPTH = 64;

/** What of a tool is pinned: its canonical text and that text's digest. */
export interface ToolFingerprint {
  /** RFC 8785 text of the document. */
  readonly definition: string;
  readonly digest: string;
}

/**
 * The fingerprint of a tool as `tools/list` gives it; `undefined` for what cannot be pinned: nested too deep, too long,
 * with U+0000 or a lone surrogate in a text, which no database holds, or with a number beyond the largest double. Numbers
 * are what `JSON.parse` makes of them.
 */
export function toolFingerprint(tool: JsonObject): ToolFingerprint | undefined {
  const document: Record<string, JsonValue> = {};
  for (const name of MEMBERS) {
    const value = tool[name];
    if (value !== undefined) document[name] = value;
  }
  if (!isStorable(document, MAX_DEFINITION_DEPTH)) return undefined;
  const definition = canonicalize(document);
  if (definition === undefined || definition.length > MAX_DEFINITION_LENGTH) return undefined;
  return { definition, digest: digestOfDefinition(definition) };
}

/** The digest of a stored definition. */
export function digestOfDefinition(definition: string): string {
  return `v1:${createHash("sha256").update(DOMAIN).update(definition).digest("hex")}`;
}

/** One digest over a whole list, whatever its order: SHA-256 over the sorted lines of name, 0x00, digest, 0x0a. */
export function toolSetDigest(tools: readonly { readonly name: string; readonly digest: string }[]): string {
  const lines = tools.map(({ name, digest }) => `${name}\0${digest}\n`).sort();
  return createHash("sha256").update("intentgate-tool-set-v1\0").update(lines.join("")).digest("hex");
}

function isStorable(value: JsonValue | undefined, depth: number): boolean {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\0");
  // A literal like 1e400 is read as Infinity, which no JSON text says.
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((member) => isStorable(member, depth - 1));
  return isJsonObject(value) &&
    Object.entries(value).every(([name, member]) => isStorable(name, 1) && isStorable(member, depth - 1));
}
