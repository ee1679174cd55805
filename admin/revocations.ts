import type { Tx } from "../core/tx.ts";
import { REVOCATION_ROUTES } from "./contract/revocations.ts";
import { type AdminEnvironment, changeEntry, requireTenant } from "./environment.ts";
import { nextAfter } from "./paging.ts";
import { ProblemError } from "./problem.ts";
import { type AdminRoute, changing, reading } from "./route.ts";

/** One revoked block, as it is listed. `createdAt` in epoch seconds. */
export interface RevokedBlock {
  readonly number: number;
  readonly tenant: string;
  readonly blockId: string;
  readonly reason: string;
  readonly operator: string;
  readonly createdAt: number;
}

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
  blocks(tenant: string, after: number, limit: number): Promise<readonly RevokedBlock[]>;
}

/** Revocations: of one block, and with it of every token that contains it. */
export function revocationRoutes(
  environment: AdminEnvironment,
  store: RevocationStore,
): readonly AdminRoute[] {
  return [
    changing(environment, REVOCATION_ROUTES.revoke, async (request, commit) => {
      const { operator, body } = request;
      const { tenant, reason } = body;
      await requireTenant(environment, operator, tenant);
      const value = "block_id" in body ? body.block_id : await blockIdOf(store, tenant, body.jti);
      return await commit(async (tx) => {
        const kind = "block";
        const number = await store.insert(tx, { tenant, kind, value, reason, operator: operator.id });
        const entity = { type: "revocation", uid: String(number), data: { kind, value } };
        return {
          answer: { number, tenant, block_id: value },
          events: [
            changeEntry(environment, request, {
              ...{ tenant, code: "revocation.created", activity: 1, entity, reason },
            }),
          ],
        };
      });
    }),
    reading(REVOCATION_ROUTES.list, async ({ operator, query: { tenant, after = 0, limit } }) => {
      await requireTenant(environment, operator, tenant);
      const rows = await store.blocks(tenant, after, limit);
      return { revocations: rows.map(shown), next_after: nextAfter(rows, limit, (row) => row.number) };
    }),
  ];
}

async function blockIdOf(store: RevocationStore, tenant: string, jti: string): Promise<string> {
  const blockId = await store.findBlockId(tenant, jti);
  if (blockId !== undefined) return blockId;
  throw new ProblemError({
    status: 404,
    code: "unknown_token",
    detail: `Tenant "${tenant}" has no token with jti "${jti}"; revoke by block_id instead`,
  });
}

function shown({ number, tenant, blockId, reason, operator, createdAt }: RevokedBlock) {
  return { number, tenant, block_id: blockId, reason, operator, created_at: Math.floor(createdAt) };
}
