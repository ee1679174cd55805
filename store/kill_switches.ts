import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { type ScopedQuery } from "./tenant_scope.ts";
import { sqlOf } from "./transaction.ts";

export interface NewKillSwitch {
  readonly scope: "all" | "tenant" | "upstream" | "agent";
  /** Absent for scope `all`; for `upstream` absent means: for every tenant. */
  readonly tenant?: string | undefined;
  /** The upstream or the agent. */
  readonly value?: string | undefined;
  readonly reason: string;
  readonly operator: string;
}

export interface KillSwitchRow extends NewKillSwitch {
  readonly number: number;
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** The tables `kill_switches` and `kill_switch_releases`, numbered by the counter of the revocation feed. */
export interface KillSwitchesTable {
  /** Returns its number. Holds the counter's row until the transaction ends. */
  engage(tx: Tx, killSwitch: NewKillSwitch): Promise<number>;
  /** Returns the number of the release, `undefined` when the switch is not engaged. Holds the counter's row too. */
  release(
    tx: Tx,
    number: number,
    by: { readonly reason: string; readonly operator: string },
  ): Promise<number | undefined>;
  /** The engaged ones after a number, oldest first; `tenants` leaves out those of all other tenants. */
  engaged(after: number, limit: number, tenants?: readonly string[]): Promise<KillSwitchRow[]>;
  findEngaged(number: number): Promise<KillSwitchRow | undefined>;
}

interface Stored {
  readonly number: string;
  readonly scope: KillSwitchRow["scope"];
  readonly tenant: string | null;
  readonly value: string | null;
  readonly reason: string;
  readonly operator: string;
  readonly created_at: number;
}

export function createKillSwitches({ read, readEverybody }: Database): KillSwitchesTable {
  const select = (from: number, to: number, limit: number, tenants: readonly string[] | null) => {
    const query: ScopedQuery<Stored[]> = (sql) =>
      sql<Stored[]>`
        SELECT number, scope, tenant, value, reason, operator, extract(epoch FROM created_at)::float8 AS created_at
        FROM kill_switches k
        WHERE number BETWEEN ${from} AND ${to}
          AND (${tenants}::text[] IS NULL OR tenant IS NULL OR tenant = ANY (${tenants}::text[]))
          AND NOT EXISTS (SELECT FROM kill_switch_releases r WHERE r.kill_switch = k.number)
        ORDER BY number LIMIT ${limit}`;
    return tenants === null ? readEverybody(query) : read(tenants, query);
  };
  return {
    engage,
    release,
    engaged: async (after, limit, tenants) =>
      (await select(after + 1, Number.MAX_SAFE_INTEGER, limit, tenants === undefined ? null : [...tenants]))
        .map(toRow),
    findEngaged: async (number) => (await select(number, number, 1, null)).map(toRow)[0],
  };
}

async function engage(tx: Tx, killSwitch: NewKillSwitch): Promise<number> {
  const { scope, tenant = null, value = null, reason, operator } = killSwitch;
  const [row] = await sqlOf(tx)<{ number: string }[]>`
    SELECT kill_switch_engage(${scope}, ${tenant}, ${value}, ${reason}, ${operator}) AS number`;
  return safeInteger(row?.number);
}

async function release(
  tx: Tx,
  killSwitch: number,
  { reason, operator }: { readonly reason: string; readonly operator: string },
): Promise<number | undefined> {
  const [row] = await sqlOf(tx)<{ number: string | null }[]>`
    SELECT kill_switch_release(${killSwitch}, ${reason}, ${operator}) AS number`;
  return row?.number == null ? undefined : safeInteger(row.number);
}

function toRow({ number, tenant, value, created_at: createdAt, ...row }: Stored): KillSwitchRow {
  return {
    ...row,
    number: safeInteger(number),
    ...(tenant === null ? {} : { tenant }),
    ...(value === null ? {} : { value }),
    createdAt,
  };
}
