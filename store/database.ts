import postgres from "postgres";
import { GatewayError } from "../core/errors.ts";
import type { Tx } from "../core/tx.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "./database_url.ts";
import { asDatabaseError, messageOf, withDeadline } from "./deadline.ts";
import { openEmbedded } from "./embedded.ts";
import { createTcpSockets } from "./tcp_socket.ts";
import { readEverybody, readScoped, type ScopedQuery, type TenantNames } from "./tenant_scope.ts";
import { asTx } from "./transaction.ts";

export interface DatabaseOptions {
  /** Absent: the embedded database in `dataDir`. */
  readonly databaseUrl?: string;
  readonly dataDir: string;
  /** Deadline of a query on the path of a call. */
  readonly timeoutMs: number;
  /** Messages of the server that are no errors. */
  readonly onNotice?: (message: string) => void;
}

/** The database, whichever it is. */
export interface Database {
  readonly kind: "embedded" | "postgres";
  /** For tables without tenants and for functions; rows of tenants need `read`. */
  readonly sql: postgres.Sql;
  /** Runs a query that sees rows of these tenants or chains only, whatever it asks for: row-level security. */
  read<T>(tenants: TenantNames, query: ScopedQuery<T>): Promise<T>;
  /** The same for the few queries that are about the whole installation. */
  readEverybody<T>(query: ScopedQuery<T>): Promise<T>;
  /** Runs `work` in one transaction. Inside, only the given `Tx` may be used: anything else would wait for it. */
  transact<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Rejects with `database_unavailable` when the query overruns its deadline, or the connection or the query fails. */
  deadline<T>(query: PromiseLike<T>, timeoutMs?: number): Promise<T>;
  ping(): Promise<void>;
  /** `onListening` runs after every (re)connection: what was announced in between must be read then. */
  listen(channel: string, onNotify: (payload: string) => void, onListening: () => void): Promise<void>;
  close(): Promise<void>;
}

const POOL_SIZE = 8;
/** One session lies behind them; more than one lets queries queue while a transaction runs. */
const EMBEDDED_POOL_SIZE = 4;
const CONNECT_TIMEOUT_SECONDS = 5;
const START_TIMEOUT_MS = 8_000;
const TRANSACTION_TIMEOUT_MS = 15_000;
/** After this much silence a connection that owes an answer counts as lost. */
const SILENT_MS = 10_000;
const OLDEST_VERSION = 140_000;

interface Opened {
  readonly kind: Database["kind"];
  /** For messages; without secrets. */
  readonly label: string;
  readonly sql: postgres.Sql;
  /** Called when a query overran. */
  readonly onOverrun: () => void;
  readonly release: () => Promise<void>;
}

/** Opens PostgreSQL or the embedded database and proves that it answers; fails with one clear `GatewayError`. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const opened = options.databaseUrl === undefined
    ? await openFolder(options)
    : openServer(parseDatabaseUrl(options.databaseUrl), options);
  try {
    await withDeadline(refuseUnusable(opened), START_TIMEOUT_MS);
  } catch (error) {
    await closeQuietly(opened);
    throw cannotOpen(opened.label, error);
  }
  return createDatabase(opened, options.timeoutMs);
}

function createDatabase(opened: Opened, defaultTimeoutMs: number): Database {
  const { kind, sql, onOverrun } = opened;
  const deadline = <T>(query: PromiseLike<T>, timeoutMs = defaultTimeoutMs): Promise<T> =>
    withDeadline(query, timeoutMs, onOverrun);
  return {
    kind,
    sql,
    deadline,
    read: (tenants, query) => readScoped(sql, tenants, query),
    readEverybody: (query) => readEverybody(sql, query),
    transact: (work) => transact(sql, work, onOverrun),
    ping: async () => void await deadline(sql`SELECT 1`),
    listen: async (channel, onNotify, onListening) =>
      void await deadline(sql.listen(channel, onNotify, onListening), START_TIMEOUT_MS),
    close: () => closeQuietly(opened),
  };
}

/** A transaction that overran does not commit afterwards, unless its commit was already under way. */
async function transact<T>(
  sql: postgres.Sql,
  work: (tx: Tx) => Promise<T>,
  onOverrun: () => void,
): Promise<T> {
  let expired = false;
  const run = sql.begin(async (tx) => {
    const result = await work(asTx(tx));
    if (expired) throw new GatewayError("database_unavailable", "The transaction overran its deadline");
    return result;
  });
  return await withDeadline(run as Promise<T>, TRANSACTION_TIMEOUT_MS, () => {
    expired = true;
    onOverrun();
  });
}

function openServer(target: DatabaseUrl, options: DatabaseOptions): Opened {
  const sockets = createTcpSockets();
  const sql = postgres(target.url, {
    ...driverOptions(options),
    ...(target.socketFolder === undefined ? {} : { host: target.socketFolder }),
    max: POOL_SIZE,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    connection: { application_name: "intentgate" },
    socket: sockets.open,
  } as postgres.Options<Record<string, never>>);
  return {
    kind: "postgres",
    label: target.masked,
    sql,
    onOverrun: () => void sockets.closeSilent(SILENT_MS),
    release: () => Promise.resolve(),
  };
}

async function openFolder(options: DatabaseOptions): Promise<Opened> {
  const embedded = await openEmbedded(options.dataDir);
  const sql = postgres({
    ...driverOptions(options),
    host: "embedded",
    port: 5432,
    user: "postgres",
    pass: "",
    database: "postgres",
    ssl: false,
    max: EMBEDDED_POOL_SIZE,
    max_lifetime: null,
    idle_timeout: undefined,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    socket: embedded.connect,
  } as postgres.Options<Record<string, never>>);
  return {
    kind: "embedded",
    label: `${options.dataDir}/database`,
    sql,
    onOverrun: () => {},
    release: embedded.close,
  };
}

function driverOptions(options: DatabaseOptions): postgres.Options<Record<string, never>> {
  return {
    onnotice: (notice) => options.onNotice?.(String(notice.message)),
    // The default grows to 20 seconds, in which every call would be blocked although the database is back.
    backoff: (attempt: number) => Math.min(0.05 * 2 ** attempt, 1),
  };
}

/** A server that is too old, stores other text, or may forget what it confirmed. PGlite never syncs and says so itself. */
async function refuseUnusable({ sql, kind }: Opened): Promise<void> {
  const [row] = await sql<{ version: number; encoding: string; fsync: string; pages: string }[]>`
    SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
      current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages`;
  if (row === undefined) throw new TypeError("Expected one row");
  if (row.version < OLDEST_VERSION) {
    const found = Math.floor(row.version / 10_000);
    throw new GatewayError("database_unavailable", `expected PostgreSQL 14 or newer, got ${found}`);
  }
  if (row.encoding !== "UTF8") {
    throw new GatewayError("database_unavailable", `expected encoding "UTF8", got "${row.encoding}"`);
  }
  const unsafe = row.fsync !== "on" ? "fsync" : row.pages !== "on" ? "full_page_writes" : undefined;
  if (kind === "postgres" && unsafe !== undefined) {
    throw new GatewayError(
      "database_unavailable",
      `expected "${unsafe}" to be on: without it a decision that was confirmed can be lost`,
    );
  }
}

function cannotOpen(label: string, error: unknown): GatewayError {
  const cause = asDatabaseError(error);
  const detail = messageOf(cause).replace(/^Cannot use the database: /, "");
  return new GatewayError("database_unavailable", `Cannot open the database "${label}": ${detail}`, {
    cause: error,
  });
}

async function closeQuietly(opened: Opened): Promise<void> {
  await opened.sql.end({ timeout: 2 }).catch(() => {});
  await opened.release();
}
