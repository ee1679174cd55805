import type postgres from "postgres";
import type { Tx } from "../core/tx.ts";
import { nameSkeleton } from "../core/name_skeleton.ts";
import type { PinPlan, PinRow, PinState, SeenTool } from "../core/tool_pin.ts";
import type { Database } from "./database.ts";
import { safeInteger } from "./safe_integer.ts";
import { raiseSettingsVersion } from "./settings.ts";
import { sqlOf } from "./transaction.ts";

/** A pin, with its definition where the upstream shows another one. */
export interface KeptPinRow extends PinRow {
  readonly definition?: string | undefined;
}

/** All pins of one upstream; version 0: it was never read. */
export interface UpstreamPinRows {
  readonly version: number;
  readonly pins: readonly KeptPinRow[];
}

/** One pin as operators see it. Times in epoch seconds. */
export interface ListedPin extends PinRow {
  readonly upstream: string;
  readonly state: PinState;
  readonly definition?: string | undefined;
  readonly candidateDefinition?: string | undefined;
  readonly pinnedAt?: number | undefined;
  readonly pinnedBy?: string | undefined;
  readonly candidateAt?: number | undefined;
  readonly blockedAt?: number | undefined;
  readonly blockedBy?: string | undefined;
}

/** Which pins a page is about. */
export interface PinFilter {
  readonly upstreams: readonly string[];
  readonly state?: PinState | undefined;
  /** The last row of the page before. */
  readonly after?: { readonly upstream: string; readonly name: string } | undefined;
  readonly limit: number;
}

/** The tables `tool_pin_upstreams` and `tool_pins`. */
export interface ToolPinsTable {
  read(upstream: string): Promise<UpstreamPinRows>;
  versions(): Promise<ReadonlyMap<string, number>>;
  /** Locks what every change of settings locks, and returns the new version with the pins as they are under the lock. */
  lock(tx: Tx, upstream: string): Promise<{ readonly version: number; readonly now: UpstreamPinRows }>;
  /** Writes a plan that was made under the lock. */
  write(tx: Tx, upstream: string, version: number, plan: PinPlan): Promise<void>;
  /** What the upstream shows becomes the pin, or a block ends; `undefined` when it shows another digest by now. */
  approve(tx: Tx, of: PinChange): Promise<ListedPin | undefined>;
  /** The tool is held until it is approved; `undefined` when it is unknown by now. */
  block(tx: Tx, of: Omit<PinChange, "digest">): Promise<ListedPin | undefined>;
  page(filter: PinFilter): Promise<ListedPin[]>;
  find(upstream: string, name: string): Promise<ListedPin | undefined>;
  /** Other tools, of these upstreams, whose names look like one of the given names but are spelled differently. */
  lookAlikes(
    names: readonly string[],
    upstreams: readonly string[],
  ): Promise<{ readonly upstream: string; readonly name: string }[]>;
}

/** One operator's answer to one tool; `digest` is the definition that the operator saw last. */
export interface PinChange {
  readonly upstream: string;
  readonly name: string;
  readonly digest: string;
  readonly operator: string;
}

interface Stored {
  readonly upstream: string;
  readonly name: string;
  readonly digest: string | null;
  readonly definition: string | null;
  readonly candidate_digest: string | null;
  readonly candidate: string | null;
  readonly is_listed: boolean;
  readonly pinned_at: number | null;
  readonly pinned_by: string | null;
  readonly candidate_at: number | null;
  readonly blocked_at: number | null;
  readonly blocked_by: string | null;
}

export function createToolPinsTable({ sql }: Database): ToolPinsTable {
  return {
    read: (upstream) => readPins(sql, upstream),
    versions: async () => {
      const rows = await sql<{ upstream: string; version: string }[]>`
        SELECT upstream, version FROM tool_pin_upstreams`;
      return new Map(rows.map((row) => [row.upstream, safeInteger(row.version)]));
    },
    lock: async (tx, upstream) => {
      const version = await raiseSettingsVersion(tx);
      return { version, now: await readPins(sqlOf(tx), upstream) };
    },
    write,
    approve: (tx, of) => answer(tx, of, "approve"),
    block: (tx, of) => answer(tx, of, "block"),
    page: async ({ upstreams, state, after, limit }) => {
      const rows = await sql<Stored[]>`
        SELECT ${columns(sql)} FROM tool_pins
        WHERE upstream = ANY (${[...upstreams]}::text[])
          AND (upstream, name) > (${after?.upstream ?? ""}::text COLLATE "C", ${
        after?.name ?? ""
      }::text COLLATE "C")
          AND (${state ?? null}::text IS NULL OR ${stateOf(sql)} = ${state ?? null}::text)
        ORDER BY upstream, name LIMIT ${limit}`;
      return rows.map(toListed);
    },
    find: async (upstream, name) => {
      const [row] = await sql<Stored[]>`
        SELECT ${columns(sql)} FROM tool_pins WHERE upstream = ${upstream} AND name = ${name}`;
      return row === undefined ? undefined : toListed(row);
    },
    lookAlikes: async (names, upstreams) => {
      const skeletons = names.map(nameSkeleton);
      return [
        ...await sql<{ upstream: string; name: string }[]>`
          SELECT upstream, name FROM tool_pins
          WHERE left(skeleton, 200) IN (SELECT left(s, 200) FROM unnest(${skeletons}::text[]) s)
            AND skeleton = ANY (${skeletons}::text[])
            AND upstream = ANY (${[...upstreams]}::text[])
          ORDER BY upstream, name LIMIT 1000`,
      ];
    },
  };
}

type Sql = postgres.ISql;

async function readPins(sql: Sql, upstream: string): Promise<UpstreamPinRows> {
  // One statement, so one snapshot: the version belongs to the rows.
  const rows = await sql<(Pick<Stored, "digest" | "candidate_digest" | "definition" | "blocked_at"> & {
    readonly name: string | null;
    readonly is_listed: boolean | null;
    readonly version: string;
  })[]>`
    SELECT u.version, p.name, p.digest, p.candidate_digest, p.is_listed,
      CASE WHEN p.candidate_digest IS NOT NULL THEN p.definition END AS definition,
      extract(epoch FROM p.blocked_at)::float8 AS blocked_at
    FROM tool_pin_upstreams u LEFT JOIN tool_pins p ON p.upstream = u.upstream
    WHERE u.upstream = ${upstream}`;
  return {
    version: rows[0] === undefined ? 0 : safeInteger(rows[0].version),
    pins: rows.flatMap(({ name, digest, candidate_digest, definition, blocked_at, is_listed }) =>
      name === null ? [] : [{
        name,
        digest: digest ?? undefined,
        candidate: candidate_digest ?? undefined,
        definition: definition ?? undefined,
        isBlocked: blocked_at !== null,
        isListed: is_listed === true,
      }]
    ),
  };
}

async function write(tx: Tx, upstream: string, version: number, plan: PinPlan): Promise<void> {
  const sql = sqlOf(tx);
  await sql`SELECT tool_pins_touch(${upstream}, ${version})`;
  if (plan.trusted.length > 0) {
    const by = plan.isFirst ? "~first-use" : "~allow";
    await sql`SELECT tool_pins_trust(${upstream}, ${by}, ${columnsOf(sql, plan.trusted)})`;
  }
  if (plan.candidates.length > 0) {
    await sql`SELECT tool_pins_propose(${upstream}, ${columnsOf(sql, plan.candidates)})`;
  }
  if (plan.settled.length > 0) {
    await sql`SELECT tool_pins_settle(${upstream}, ${[...plan.settled]}::text[])`;
  }
  if (plan.missing.length > 0) {
    await sql`SELECT tool_pins_unlist(${upstream}, ${[...plan.missing]}::text[])`;
  }
  if (plan.forgotten.length > 0) {
    await sql`SELECT tool_pins_forget(${upstream}, ${[...plan.forgotten]}::text[])`;
  }
}

/** Names, skeletons, digests and definitions, as the functions want them. */
function columnsOf(sql: Sql, seen: readonly SeenTool[]) {
  return sql`
    ${seen.map(({ name }) => name)}::text[], ${seen.map(({ name }) => nameSkeleton(name))}::text[],
    ${seen.map(({ digest }) => digest)}::text[], ${seen.map(({ definition }) => definition)}::text[]`;
}

/** Only what the operator saw is answered: the digest stands in the condition, under the lock of all settings. */
async function answer(
  tx: Tx,
  of: Omit<PinChange, "digest"> & { readonly digest?: string },
  how: "approve" | "block",
): Promise<ListedPin | undefined> {
  const { upstream, name, digest = null, operator } = of;
  const version = await raiseSettingsVersion(tx);
  const sql = sqlOf(tx);
  const answered = how === "block"
    ? sql`tool_pin_block(${upstream}, ${name}, ${digest}, ${operator})`
    : sql`tool_pin_approve(${upstream}, ${name}, ${digest}, ${operator})`;
  const [row] = await sql<Stored[]>`SELECT ${columns(sql)} FROM ${answered}`;
  if (row === undefined) return undefined;
  await sql`SELECT tool_pins_touch(${upstream}, ${version})`;
  return toListed(row);
}

function stateOf(sql: Sql) {
  return sql`CASE WHEN blocked_at IS NOT NULL THEN 'blocked' WHEN digest IS NULL THEN 'new'
    WHEN candidate_digest IS NOT NULL THEN 'changed' ELSE 'pinned' END`;
}

function columns(sql: Sql) {
  return sql`upstream, name, digest, definition, candidate_digest, candidate, is_listed, pinned_by, blocked_by,
    extract(epoch FROM pinned_at)::float8 AS pinned_at, extract(epoch FROM candidate_at)::float8 AS candidate_at,
    extract(epoch FROM blocked_at)::float8 AS blocked_at`;
}

function toListed(row: Stored): ListedPin {
  const { upstream, name } = row;
  const state = row.blocked_at !== null
    ? "blocked"
    : row.digest === null
    ? "new"
    : row.candidate_digest !== null
    ? "changed"
    : "pinned";
  return {
    ...{ upstream, name, state, isBlocked: row.blocked_at !== null, isListed: row.is_listed },
    digest: row.digest ?? undefined,
    definition: row.definition ?? undefined,
    candidate: row.candidate_digest ?? undefined,
    candidateDefinition: row.candidate ?? undefined,
    pinnedAt: row.pinned_at ?? undefined,
    pinnedBy: row.pinned_by ?? undefined,
    candidateAt: row.candidate_at ?? undefined,
    blockedAt: row.blocked_at ?? undefined,
    blockedBy: row.blocked_by ?? undefined,
  };
}
