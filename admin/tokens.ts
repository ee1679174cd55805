import { Hono } from "hono";
import * as z from "zod";
import { tenantName } from "../core/config.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { mintToken } from "../core/token/mint.ts";
import { isRestriction, RESTRICTIONS } from "../core/token/restrictions.ts";
import { TokenError } from "../core/token/token_error.ts";
import type { Tx } from "../core/tx.ts";
import { access } from "./access.ts";
import { readBody } from "./body.ts";
import {
  type AdminApp,
  type AdminEnvironment,
  type AdminVariables,
  changeEntry,
  requireTenant,
} from "./environment.ts";
import { ProblemError } from "./problem.ts";

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

/** What minting needs beside the environment. */
export interface Minting {
  readonly kid: string;
  readonly key: CryptoKey;
  readonly issuer: string;
  readonly maxLifetimeSeconds: number;
  /** Restrictions that some configured check enforces; others are refused here, as they would be at verification. */
  readonly enforced: ReadonlySet<string>;
  insert(tx: Tx, record: MintedRecord): Promise<unknown>;
}

const tokenBody = z.looseObject({
  tenant: tenantName,
  agent: z.string().min(1).max(200),
  ttl_seconds: z.int().min(1),
  upstreams: z.array(z.string()).default(["*"]),
  tools: z.array(z.string()).default(["*"]),
});

/** `POST /`: mints a capability token. Every member beside tenant, agent and ttl_seconds is a restriction of the token. */
export function tokenRoutes(environment: AdminEnvironment, minting: Minting): AdminApp {
  const app: AdminApp = new Hono<AdminVariables>();
  app.post("/", access("operator", "tenant"), async (context) => {
    const { tenant, agent, ttl_seconds: ttlSeconds, ...restrictions } = await readBody(context, tokenBody);
    refuseUnusable(restrictions, ttlSeconds, minting);
    await requireTenant(environment, context.get("operator"), tenant);
    const issuedAt = Math.floor(environment.nowMs() / 1000);
    const { kid, issuer: iss } = minting;
    const fields = {
      ...{ kid, iss, aud: environment.source.logId, tenant, sub: agent, iat: issuedAt },
      exp: issuedAt + ttlSeconds,
      ...(restrictions as JsonObject & { upstreams: string[]; tools: string[] }),
    };
    const minted = await mint(fields, minting.key, environment.randomBytes(16));
    await environment.transact(async (tx) => {
      await minting.insert(tx, {
        ...{ tenant, jti: minted.jti, kid, blockId: minted.rootBlockId, agent, issuedAt },
        ...{ expiresAt: minted.expiresAt, operator: context.get("operator").id },
      });
      await environment.appendIn(tx, [
        changeEntry(environment, context.var, {
          ...{ tenant, code: "token.minted", activity: 1 } as const,
          entity: { type: "capability_token", uid: minted.rootBlockId, data: grantOf(fields, minted.jti) },
        }),
      ]);
    });
    const body = { token: minted.token, jti: minted.jti, block_id: minted.rootBlockId };
    return context.json({ ...body, expires_at: minted.expiresAt }, 201);
  });
  return app;
}

/** Names the members that are no restriction, that nobody enforces, or that only the gateway writes. */
function refuseUnusable(
  restrictions: Readonly<Record<string, unknown>>,
  ttlSeconds: number,
  minting: Minting,
): void {
  for (const name of Object.keys(restrictions)) {
    if (!isRestriction(name) || name === "exp") {
      const known = Object.keys(RESTRICTIONS).filter((restriction) => restriction !== "exp").join(", ");
      throw unusable(`/${name}`, `"${name}" is no restriction; known are ${known}`);
    }
    if (!minting.enforced.has(name)) {
      throw unusable(`/${name}`, `No configured check enforces "${name}", so the token would be refused`);
    }
  }
  if (ttlSeconds > minting.maxLifetimeSeconds) {
    throw unusable(
      "/ttl_seconds",
      `Expected at most ${minting.maxLifetimeSeconds} seconds, found ${ttlSeconds}`,
    );
  }
}

function unusable(pointer: string, detail: string): ProblemError {
  return new ProblemError({ status: 400, code: "invalid_request", detail, errors: [{ pointer, detail }] });
}

async function mint(fields: Parameters<typeof mintToken>[0], key: CryptoKey, jti: Uint8Array) {
  try {
    return await mintToken(fields, key, jti);
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    throw new ProblemError({ status: 400, code: "invalid_request", detail: error.message });
  }
}

/** What the audit says of a grant: its scope, without the values of argument constraints. */
function grantOf(fields: JsonObject, jti: string): JsonObject {
  const { args, ...rest } = fields;
  const constrained: JsonValue = args === undefined ? [] : Object.keys(args as JsonObject);
  return { ...rest, jti, args_of: constrained };
}
