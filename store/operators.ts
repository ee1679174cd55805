import type { OperatorRole } from "../core/operator.ts";
import type { Tx } from "../core/tx.ts";
import type { Database } from "./database.ts";
import { sqlOf } from "./transaction.ts";

/** What a token proves: who, and what it may do. */
export interface FoundOperator {
  readonly id: string;
  readonly role: OperatorRole;
  readonly tenants: "*" | readonly string[];
}

/** A token to be made for an operator, by the SHA-256 of its text. */
export interface NewOperator extends FoundOperator {
  readonly tokenSha256: Uint8Array;
  readonly ttlSeconds: number;
  readonly createdBy: string;
}

/** One operator, as it is listed. Times are epoch seconds. */
export interface OperatorRow extends FoundOperator {
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number;
  readonly disabledAt: number | undefined;
}

/** The table `operators`. Expiry is measured by the clock of the database, the only one that all replicas share. */
export interface OperatorsTable {
  /** Returns when the token expires, in epoch seconds; `undefined` when the id has a token that is still valid. */
  insert(tx: Tx, operator: NewOperator): Promise<number | undefined>;
  /** The operator whose token this is, unless it expired or was disabled. */
  find(tokenSha256: Uint8Array): Promise<FoundOperator | undefined>;
  /** Operators whose id sorts after another one, in order. */
  list(afterId: string, limit: number): Promise<OperatorRow[]>;
  /** Ends the token. Returns whether the id had one that was not disabled. */
  disable(tx: Tx, id: string): Promise<boolean>;
}

interface Stored {
  readonly id: string;
  readonly role: OperatorRole;
  readonly tenants: string[] | null;
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number;
  readonly disabled_at: number | null;
}

export function createOperators(database: Database): OperatorsTable {
  const { sql } = database;
  return {
    insert,
    find: async (tokenSha256) => {
      const [row] = await sql<Pick<Stored, "id" | "role" | "tenants">[]>`
        SELECT id, role, tenants FROM operators
        WHERE token_sha256 = ${tokenSha256} AND disabled_at IS NULL AND expires_at > clock_timestamp()`;
      return row === undefined ? undefined : { id: row.id, role: row.role, tenants: row.tenants ?? "*" };
    },
    list: async (afterId, limit) => {
      const rows = await sql<Stored[]>`
        SELECT id, role, tenants, created_by, extract(epoch FROM created_at)::float8 AS created_at,
          extract(epoch FROM expires_at)::float8 AS expires_at,
          extract(epoch FROM disabled_at)::float8 AS disabled_at
        FROM operators WHERE id > ${afterId} ORDER BY id LIMIT ${limit}`;
      return rows.map(toRow);
    },
    disable: async (tx, id) => {
      const [row] = await sqlOf(tx)<{ disabled: boolean }[]>`SELECT operator_disable(${id}) AS disabled`;
      return row?.disabled === true;
    },
  };
}

async function insert(tx: Tx, operator: NewOperator): Promise<number | undefined> {
  const tenants = operator.tenants === "*" ? null : [...operator.tenants];
  const [row] = await sqlOf(tx)<{ expires_at: number | null }[]>`
    SELECT extract(epoch FROM operator_create(
      ${operator.id}, ${operator.tokenSha256}, ${operator.role}, ${tenants}::text[], ${operator.ttlSeconds},
      ${operator.createdBy}
    ))::float8 AS expires_at`;
  return row?.expires_at ?? undefined;
}

function toRow(stored: Stored): OperatorRow {
  return {
    id: stored.id,
    role: stored.role,
    tenants: stored.tenants ?? "*",
    createdAt: stored.created_at,
    createdBy: stored.created_by,
    expiresAt: stored.expires_at,
    disabledAt: stored.disabled_at ?? undefined,
  };
}
