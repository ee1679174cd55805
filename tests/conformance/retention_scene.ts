/** Two operators prune and erase, in a tenant of their own: what is pruned could not be shown as events any more. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../core/json.ts";
import type { GatewayProcess } from "../gateway_process.ts";
import type { DatabaseFixture } from "../integration/databases.ts";

/** The tenant of the scene. */
export const PRUNED_TENANT = "old";
/** Bodies go in whole tiles. */
const TILE_EVENTS = 256;

/** Plays it; ends with events of every kind that pruning, erasing and reading texts write. */
export async function playRetention(gateway: GatewayProcess, fixture: DatabaseFixture): Promise<void> {
  const ask = async (
    method: string,
    path: string,
    body?: JsonObject,
    token?: string,
  ): Promise<JsonObject> => {
    const bearer = token ?? await gateway.operatorToken();
    const response = await fetch(`${gateway.adminUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text.startsWith("{") ? JSON.parse(text) : {};
  };
  const admin = async (id: string) => {
    const body = { id, role: "admin", tenants: [PRUNED_TENANT], ttl_seconds: 600 };
    return String((await ask("POST", "/operators", body)).token);
  };
  await ask("POST", "/tenants", { name: PRUNED_TENANT, settings: { retention_days: 1 } });
  const mint = { tenant: PRUNED_TENANT, agent: "leaver", ttl_seconds: 600 };
  for (let minted = 0; minted < TILE_EVENTS; minted += 32) {
    await Promise.all(Array.from({ length: 32 }, () => gateway.mint(mint)));
  }
  await ask("GET", `/audit/export?tenant=${PRUNED_TENANT}&first=1&last=1`); // signs
  const { sql } = await fixture.owner();
  await sql`ALTER TABLE audit_checkpoints DISABLE TRIGGER only_added`;
  await sql`UPDATE audit_checkpoints SET signed_at = signed_at - interval '2 days' WHERE chain = ${PRUNED_TENANT}`;
  await sql`ALTER TABLE audit_checkpoints ENABLE TRIGGER only_added`;
  const [pam, quinn] = [await admin("pam"), await admin("quinn")];
  for (const [path, more] of [["prunes", {}], ["erasures", { agent: "leaver", to_time: 4e9 }]] as const) {
    const { id } = await ask("POST", `/audit/${path}`, { tenant: PRUNED_TENANT, ...more }, pam);
    await ask("POST", `/audit/actions/${id}/confirm`, undefined, quinn);
  }
  await ask("GET", `/audit/values?tenant=${PRUNED_TENANT}&seq=${TILE_EVENTS + 1}`);
}
