/** Blocks: base64url of a UTF-8 JSON object. Block 0 is the gateway's, the later ones are written by holders. */
import { decodeBase64url, encodeBase64url } from "../base64url.ts";
import { tenantName } from "../config.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { isKid } from "../key_ring.ts";
import { parseStrictJsonBytes, StrictJsonError } from "../strict_json.ts";
import { isRestriction, parseRestrictions, type Restrictions, time } from "./restrictions.ts";
import { TokenError } from "./token_error.ts";

const MAX_BLOCK_DEPTH = 32;
const JTI_BYTES = 16;
const MAX_NAME_CHARACTERS = 200;

/** Members that only block 0 has; all are mandatory, and so are `exp`, `upstreams` and `tools`. */
const ROOT_MEMBERS = ["kid", "jti", "iss", "aud", "tenant", "sub", "iat"] as const;
const ROOT_RESTRICTIONS = ["exp", "upstreams", "tools"] as const;
/** Names kept for the identity check; refused everywhere until it exists. */
const RESERVED_MEMBERS: readonly string[] = ["usr", "act", "src"];

/** Block 0: who the token is for, and what the gateway granted. */
export interface RootBlock {
  readonly kid: string;
  readonly jti: string;
  readonly iss: string;
  readonly aud: string;
  readonly tenant: string;
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly restrictions: Restrictions;
}

/** A block that a holder appended. */
export interface LaterBlock {
  readonly delegate: string | undefined;
  readonly restrictions: Restrictions;
}

/** The JSON object of a block, before its members are looked at. */
export function decodeBlock(text: string): JsonObject {
  const bytes = decodeBase64url(text);
  if (bytes === undefined) throw new TokenError("A block is not canonical base64url");
  let value: JsonValue;
  try {
    value = parseStrictJsonBytes(bytes, { maxDepth: MAX_BLOCK_DEPTH });
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new TokenError(`A block is not strict JSON: ${error.message}`);
  }
  if (!isJsonObject(value)) throw new TokenError("A block is not a JSON object");
  return value;
}

/** The text of a block. Escapes lone surrogates, which `decodeBlock` then refuses. */
export function encodeBlock(block: JsonObject): string {
  return encodeBase64url(new TextEncoder().encode(JSON.stringify(block)));
}

/** Reads block 0; throws `TokenError`. */
export function parseRootBlock(block: JsonObject): RootBlock {
  for (const name of Object.keys(block)) {
    if (RESERVED_MEMBERS.includes(name)) throw new TokenError(`"${name}" is reserved`);
    if (!isRestriction(name) && !isIn(ROOT_MEMBERS, name)) throw unknownMember(name);
  }
  for (const name of [...ROOT_MEMBERS, ...ROOT_RESTRICTIONS]) {
    if (block[name] === undefined) throw new TokenError(`Block 0 has no "${name}"`);
  }
  const { kid, jti } = block;
  if (!isKid(kid)) throw new TokenError('"kid" must be a key id');
  if (typeof jti !== "string" || decodeBase64url(jti)?.length !== JTI_BYTES) {
    throw new TokenError(`"jti" must be ${JTI_BYTES} bytes in base64url`);
  }
  const iat = time(block, "iat")!;
  const exp = time(block, "exp")!;
  if (exp <= iat) throw new TokenError('"exp" must be later than "iat"');
  const tenant = tenantName.safeParse(block.tenant);
  if (!tenant.success) throw new TokenError('"tenant" must be a tenant name');
  return {
    kid,
    jti,
    iss: name(block, "iss"),
    aud: name(block, "aud"),
    tenant: tenant.data,
    sub: name(block, "sub"),
    iat,
    exp,
    restrictions: parseRestrictions(block),
  };
}

/** Reads a block that a holder appended; throws `TokenError`. */
export function parseLaterBlock(block: JsonObject): LaterBlock {
  for (const name of Object.keys(block)) {
    if (!isRestriction(name) && name !== "delegate") throw unknownMember(name);
  }
  return {
    delegate: block.delegate === undefined ? undefined : name(block, "delegate"),
    restrictions: parseRestrictions(block),
  };
}

function unknownMember(name: string): TokenError {
  return new TokenError(`${JSON.stringify(name.slice(0, 60))} is no restriction that this version knows`);
}

function isIn(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

function name(block: JsonObject, member: string): string {
  const value = block[member];
  if (
    typeof value !== "string" || value.length > MAX_NAME_CHARACTERS ||
    !/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u.test(value)
  ) {
    throw new TokenError(
      `"${member}" must be 1 to ${MAX_NAME_CHARACTERS} characters without control characters`,
    );
  }
  return value;
}
