import type * as z from "zod";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { mintToken } from "../core/token/mint.ts";
import { TokenError } from "../core/token/token_error.ts";
import type { Tx } from "../core/tx.ts";
import { TOKEN_ROUTES, type tokenRow } from "./contract/tokens.ts";
import { type AdminEnvironment, changeEntry, requireTenant } from "./environment.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, changing, reading } from "./route.ts";

/** What is remembered of a minted token; never the token itself. */
export interface MintedRecord {
  readonly tenant: string;
  readonly jti: string;
  readonly kid: string;
  readonly blockId: string;
  readonly agent: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly operator: string;
}

/** One minted token, as it is listed. Times are epoch seconds. */
export interface ListedToken extends Omit<MintedRecord, "kid"> {
  readonly revoked: boolean;
}

/** What minting needs beside the environment; `store/` fits for what it keeps. */
export interface Minting {
  readonly kid: string;
  readonly key: CryptoKey;
  readonly issuer: string;
  readonly maxLifetimeSeconds: number;
  /** Restrictions that some configured check enforces; others are refused here, as they would be at verification. */
  readonly enforced: ReadonlySet<string>;
  insert(tx: Tx, record: MintedRecord): Promise<unknown>;
  page(query: {
    readonly tenant: string;
    readonly agent?: string | undefined;
    readonly after?: { readonly issuedAt: number; readonly jti: string } | undefined;
    readonly limit: number;
  }): Promise<readonly ListedToken[]>;
}

type MintBody = z.output<typeof TOKEN_ROUTES.mint.body>;

/** Capability tokens: minting, and what was minted. */
export function tokenRoutes(environment: AdminEnvironment, minting: Minting): readonly AdminRoute[] {
  return [
    changing(environment, TOKEN_ROUTES.mint, async (request, commit) => {
      const { operator, body: { tenant } } = request;
      await requireTenant(environment, operator, tenant);
      const { fields, minted, record } = await mint(environment, minting, request.body, operator.id);
      return await commit(async (tx) => {
        await minting.insert(tx, record);
        const entity = {
          type: "capability_token",
          uid: minted.rootBlockId,
          data: grantOf(fields, minted.jti),
        };
        return {
          answer: {
            ...{ token: minted.token, jti: minted.jti, block_id: minted.rootBlockId },
            expires_at: minted.expiresAt,
          },
          events: [
            changeEntry(environment, request, { tenant, code: "token.minted", activity: 1, entity }),
          ],
        };
      });
    }),
    reading(TOKEN_ROUTES.list, async ({ operator, query: { tenant, agent, after, limit } }) => {
      await requireTenant(environment, operator, tenant);
      const rows = await minting.page({ tenant, agent, after: placeOf(after), limit });
      return { tokens: rows.map(shown), next_after: nextAfter(rows, limit, cursorOf) };
    }),
  ];
}

async function mint(
  environment: AdminEnvironment,
  minting: Minting,
  { tenant, agent, ttl_seconds: ttlSeconds, ...restrictions }: MintBody,
  operator: string,
) {
  refuseUnenforceable(restrictions, ttlSeconds, minting);
  const issuedAt = Math.floor(environment.nowMs() / 1000);
  const { kid, issuer: iss } = minting;
  const fields = {
    ...{ kid, iss, aud: environment.source.logId, tenant, sub: agent, iat: issuedAt },
    exp: issuedAt + ttlSeconds,
    ...(restrictions as JsonObject & { upstreams: string[]; tools: string[] }),
  };
  const minted = await mintOrRefuse(fields, minting.key, environment.randomBytes(16));
  const record = {
    ...{ tenant, jti: minted.jti, kid, blockId: minted.rootBlockId, agent, issuedAt },
    ...{ expiresAt: minted.expiresAt, operator },
  };
  return { fields, minted, record };
}

/** Names the restrictions that nobody enforces, and a lifetime that is too long for this gateway. */
function refuseUnenforceable(restrictions: object, ttlSeconds: number, minting: Minting): void {
  for (const name of Object.keys(restrictions)) {
    if (!minting.enforced.has(name)) {
      throw unusable(`/${name}`, `No configured check enforces "${name}", so the token would be refused`);
    }
  }
  const { maxLifetimeSeconds } = minting;
  if (ttlSeconds <= maxLifetimeSeconds) return;
  throw unusable("/ttl_seconds", `Expected at most ${maxLifetimeSeconds} seconds, found ${ttlSeconds}`);
}

function unusable(pointer: string, detail: string): ProblemError {
  return new ProblemError({ status: 422, code: "unusable_grant", detail, errors: [{ pointer, detail }] });
}

async function mintOrRefuse(fields: Parameters<typeof mintToken>[0], key: CryptoKey, jti: Uint8Array) {
  try {
    return await mintToken(fields, key, jti);
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    throw new ProblemError({ status: 422, code: "unusable_grant", detail: error.message });
  }
}

/** What the audit says of a grant: its scope, without the values of argument constraints. */
function grantOf(fields: JsonObject, jti: string): JsonObject {
  const { args, ...rest } = fields;
  const constrained: JsonValue = args === undefined ? [] : Object.keys(args as JsonObject);
  return { ...rest, jti, args_of: constrained };
}

/** Reads a cursor that the schema has let through. */
function placeOf(
  cursor: string | undefined,
): { readonly issuedAt: number; readonly jti: string } | undefined {
  if (cursor === undefined) return undefined;
  const [issuedAt, jti = ""] = cursor.split(".", 2);
  return { issuedAt: Number(issuedAt), jti };
}

function cursorOf({ issuedAt, jti }: ListedToken): string {
  return `${issuedAt}.${jti}`;
}

function shown(row: ListedToken): z.input<typeof tokenRow> {
  const { tenant, jti, agent, operator, revoked } = row;
  return {
    ...{ tenant, jti, block_id: row.blockId, agent, issued_at: row.issuedAt },
    ...{ expires_at: row.expiresAt, operator, revoked },
  };
}
