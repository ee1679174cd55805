import { Hono } from "hono";
import * as z from "zod";
import { tenantName } from "../core/config.ts";
import type { Tx } from "../core/tx.ts";
import { access } from "./access.ts";
import { plainText, readBody } from "./body.ts";
import {
  type AdminApp,
  type AdminEnvironment,
  type AdminVariables,
  changeEntry,
  requireTenant,
} from "./environment.ts";
import { ProblemError } from "./problem.ts";

/** What the revocation routes change; `store/` fits. */
export interface RevocationStore {
  findBlockId(tenant: string, jti: string): Promise<string | undefined>;
  insert(tx: Tx, revocation: {
    readonly tenant: string;
    readonly kind: "block";
    readonly value: string;
    readonly reason: string;
    readonly operator: string;
  }): Promise<number>;
}

const base64url = (bytes: number) =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${Math.ceil(bytes * 4 / 3)}}$`), `base64url of ${bytes} bytes`);

const revocationBody = z.strictObject({
  tenant: tenantName,
  jti: base64url(16).optional(),
  block_id: base64url(32).optional(),
  reason: plainText(500).min(1),
}).refine((body) => (body.jti === undefined) !== (body.block_id === undefined), {
  message: 'give either "jti" or "block_id"',
});

/** `POST /`: revokes one block and with it every token that contains it. */
export function revocationRoutes(environment: AdminEnvironment, store: RevocationStore): AdminApp {
  const app: AdminApp = new Hono<AdminVariables>();
  app.post("/", access("operator", "tenant"), async (context) => {
    const body = await readBody(context, revocationBody);
    await requireTenant(environment, context.get("operator"), body.tenant);
    const blockId = body.block_id ?? await resolveJti(store, body.tenant, body.jti ?? "");
    const number = await environment.transact(async (tx) => {
      const given = await store.insert(tx, {
        ...{ tenant: body.tenant, kind: "block", value: blockId, reason: body.reason } as const,
        operator: context.get("operator").id,
      });
      await environment.appendIn(tx, [
        changeEntry(environment, context.var, {
          tenant: body.tenant,
          code: "revocation.created",
          activity: 1,
          entity: { type: "revocation", uid: String(given), data: { kind: "block", value: blockId } },
          reason: body.reason,
        }),
      ]);
      return given;
    });
    return context.json({ number, tenant: body.tenant, block_id: blockId }, 201);
  });
  return app;
}

async function resolveJti(store: RevocationStore, tenant: string, jti: string): Promise<string> {
  const blockId = await store.findBlockId(tenant, jti);
  if (blockId !== undefined) return blockId;
  throw new ProblemError({
    status: 404,
    code: "unknown_token",
    detail: `Tenant "${tenant}" has no token with jti "${jti}"; revoke by block_id instead`,
  });
}
