/** Runs a test on both databases: the embedded one in a temporary folder, and a real PostgreSQL. */
import { type Database, openDatabase } from "../../store/database.ts";
import { migrate } from "../../store/migration_runner.ts";
import { type PostgresCluster, startPostgresCluster } from "./postgres_cluster.ts";

/** One fresh database for one test. */
export interface DatabaseFixture {
  readonly kind: Database["kind"];
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  /** Opens it; closed by the fixture. The embedded database can be opened once at a time. */
  open(timeoutMs?: number): Promise<Database>;
  /** Opens it and applies all migrations. */
  migrated(timeoutMs?: number): Promise<Database>;
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
 * Prepares one test file. PostgreSQL is started once per file; when it is missing the tests fail, unless the environment
 * says INTENTGATE_TEST_POSTGRES=off.
 */
export function createDatabaseTests(): DatabaseTests {
  const usesPostgres = Deno.env.get("INTENTGATE_TEST_POSTGRES") !== "off";
  let cluster: PostgresCluster | undefined;
  if (usesPostgres) {
    Deno.test.beforeAll(async () => void (cluster = await startPostgresCluster()));
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
        const databaseUrl = await running().createDatabase();
        await withFixture("postgres", databaseUrl, (fixture) => run(fixture, running()));
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
  databaseUrl: string | undefined,
  run: (fixture: DatabaseFixture) => Promise<void>,
): Promise<void> {
  const dataDir = await Deno.makeTempDir({ prefix: "intentgate-test-" });
  const opened: Database[] = [];
  const open = async (timeoutMs = 10_000) => {
    const database = await openDatabase({
      dataDir,
      timeoutMs,
      ...(databaseUrl === undefined ? {} : { databaseUrl }),
    });
    opened.push(database);
    return database;
  };
  const migrated = async (timeoutMs?: number) => {
    const database = await open(timeoutMs);
    await migrate(database);
    return database;
  };
  try {
    await run({ kind, dataDir, databaseUrl, open, migrated });
  } finally {
    for (const database of opened) await database.close();
    await Deno.remove(dataDir, { recursive: true });
  }
}
