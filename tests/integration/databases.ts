/** Runs a test on both databases: the embedded one in a temporary folder, and a real PostgreSQL. */
import { type Database, openDatabase } from "../../store/database.ts";
import { migrate } from "../../store/migration_runner.ts";
import { type ClusterDatabase, type PostgresCluster, startPostgresCluster } from "./postgres_cluster.ts";
import { askedPostgres, HAS_POSTGRES_VERSIONS, type PostgresVersion } from "./postgres_programs.ts";

/** One fresh database for one test. */
export interface DatabaseFixture {
  readonly kind: Database["kind"];
  readonly dataDir: string;
  /** With the run-time role, which has no rights before somebody migrated. */
  readonly databaseUrl: string | undefined;
  /** With the role that owns the database. */
  readonly migrationUrl: string | undefined;
  readonly superuserUrl: string | undefined;
  /** Both URLs as a gateway or a command gets them; nothing for the embedded database. */
  readonly databaseEnv: Readonly<Record<string, string>>;
  /** Opens it as its owner; closed by the fixture. The embedded database can be opened once at a time. */
  open(timeoutMs?: number): Promise<Database>;
  /** Applies all migrations as the owner, and opens it with the run-time role. */
  migrated(timeoutMs?: number): Promise<Database>;
  /** As the owner, beside what `migrated` opened. */
  owner(): Promise<Database>;
}

/** Registers tests of one file. */
export interface DatabaseTests {
  /** On both databases. */
  test(name: string, run: (fixture: DatabaseFixture) => Promise<void>): void;
  /** On PostgreSQL only, with the cluster at hand. */
  testPostgres(
    name: string,
    run: (fixture: DatabaseFixture, cluster: PostgresCluster) => Promise<void>,
  ): void;
}

/**
 * Prepares one test file. PostgreSQL is started once per file, of a version where one is named; when it is missing the
 * tests fail, unless the environment says INTENTGATE_TEST_POSTGRES=off.
 */
export function createDatabaseTests(version?: PostgresVersion): DatabaseTests {
  const usesPostgres = askedPostgres() !== "off" && (version === undefined || HAS_POSTGRES_VERSIONS);
  let cluster: PostgresCluster | undefined;
  if (usesPostgres) {
    Deno.test.beforeAll(async () => void (cluster = await startPostgresCluster(version)));
    Deno.test.afterAll(() => cluster?.close());
  }
  const running = (): PostgresCluster => {
    if (cluster === undefined) throw new Error("Expected a running PostgreSQL cluster");
    return cluster;
  };
  const testPostgres: DatabaseTests["testPostgres"] = (name, run) => {
    Deno.test({
      name: `${name} (postgres)`,
      ignore: !usesPostgres,
      fn: async () => {
        const database = await running().createDatabase();
        await withFixture("postgres", database, (fixture) => run(fixture, running()));
      },
    });
  };
  return {
    testPostgres,
    test: (name, run) => {
      Deno.test(`${name} (embedded)`, () => withFixture("embedded", undefined, run));
      testPostgres(name, run);
    },
  };
}

async function withFixture(
  kind: Database["kind"],
  database: ClusterDatabase | undefined,
  run: (fixture: DatabaseFixture) => Promise<void>,
): Promise<void> {
  const dataDir = await Deno.makeTempDir({ prefix: "intentgate-test-" });
  const opened: Database[] = [];
  const openUrl = async (databaseUrl: string | undefined, timeoutMs = 10_000) => {
    const options = { dataDir, timeoutMs, ...(databaseUrl === undefined ? {} : { databaseUrl }) };
    const one = await openDatabase(options);
    opened.push(one);
    return one;
  };
  const open = (timeoutMs?: number) => openUrl(database?.migrationUrl, timeoutMs);
  const migrated = async (timeoutMs?: number) => {
    const owner = await open(timeoutMs);
    if (database === undefined) {
      await migrate(owner);
      return owner;
    }
    await migrate(owner, { grantTo: new URL(database.databaseUrl).username });
    return await openUrl(database.databaseUrl, timeoutMs);
  };
  try {
    await run({
      ...{ kind, dataDir, open, migrated },
      ...{ databaseUrl: database?.databaseUrl, migrationUrl: database?.migrationUrl },
      superuserUrl: database?.superuserUrl,
      databaseEnv: database === undefined
        ? {}
        : { DATABASE_URL: database.databaseUrl, DATABASE_MIGRATION_URL: database.migrationUrl },
      owner: async () => opened[0] ?? await open(),
    });
  } finally {
    for (const database of opened) await database.close();
    await Deno.remove(dataDir, { recursive: true });
  }
}
