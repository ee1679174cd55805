/** Everything that replicas follow to know whom not to serve: three tables under one counter. */
import type { Database } from "./database.ts";
import type { KillSwitchRow } from "./kill_switches.ts";
import type { NewRevocation, RevocationKind } from "./revocations.ts";
import { safeInteger } from "./safe_integer.ts";

/** Channel on which the number of a new row is announced when it commits; the function `feed_next` names it too. */
export const REVOCATIONS_CHANNEL = "intentgate_revocations";

/** One row of the feed. */
export type FeedRow = RevocationRow | (KillSwitchRow & { readonly effect: "engage" }) | ReleaseRow;

export interface RevocationRow extends NewRevocation {
  readonly number: number;
  readonly effect: "revoke";
  /** Epoch seconds. */
  readonly createdAt: number;
}

export interface ReleaseRow {
  readonly number: number;
  readonly effect: "release";
  /** Number of the kill switch. */
  readonly releases: number;
  readonly reason: string;
  readonly operator: string;
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** Reads the feed. */
export interface RevocationFeedTable {
  /** Number of the last committed row, 0 when there is none. */
  readCounter(): Promise<number>;
  /** Rows with a greater number, in order. */
  readAfter(number: number, limit: number): Promise<FeedRow[]>;
}

interface Stored {
  readonly number: string;
  readonly effect: FeedRow["effect"];
  readonly tenant: string | null;
  readonly kind: string | null;
  readonly value: string | null;
  readonly before: number | null;
  readonly releases: string | null;
  readonly reason: string;
  readonly operator: string;
  readonly created_at: number;
}

export function createRevocationFeedTable({ sql, readEverybody }: Database): RevocationFeedTable {
  return {
    readCounter: async () => {
      const [row] = await sql<{ number: string }[]>`SELECT number FROM revocation_counter`;
      return safeInteger(row?.number);
    },
    readAfter: async (number, limit) => {
      const rows = await readEverybody((sql) =>
        sql<Stored[]>`
        SELECT number, 'revoke' AS effect, tenant, kind, value, extract(epoch FROM before)::float8 AS before,
          NULL::bigint AS releases, reason, operator, extract(epoch FROM created_at)::float8 AS created_at
        FROM revocations WHERE number > ${number}
        UNION ALL
        SELECT number, 'engage', tenant, scope, value, NULL, NULL, reason, operator,
          extract(epoch FROM created_at)::float8
        FROM kill_switches WHERE number > ${number}
        UNION ALL
        SELECT number, 'release', NULL, NULL, NULL, NULL, kill_switch, reason, operator,
          extract(epoch FROM created_at)::float8
        FROM kill_switch_releases WHERE number > ${number}
        ORDER BY number LIMIT ${limit}`
      );
      return rows.map(toRow);
    },
  };
}

function toRow(stored: Stored): FeedRow {
  const { effect, tenant, kind, value, before, reason, operator, created_at: createdAt } = stored;
  const number = safeInteger(stored.number);
  const by = { reason, operator, createdAt };
  if (effect === "release") return { number, effect, releases: safeInteger(stored.releases), ...by };
  const whom = {
    ...(tenant === null ? {} : { tenant }),
    ...(value === null ? {} : { value }),
  };
  if (effect === "engage") return { number, effect, scope: kind as KillSwitchRow["scope"], ...whom, ...by };
  return {
    number,
    effect,
    kind: kind as RevocationKind,
    ...whom,
    ...(before === null ? {} : { before }),
    ...by,
  };
}
