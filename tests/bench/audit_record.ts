/** The audit record on a PostgreSQL of its own: appends of four writers, what an allow waits, and verification. */
import { createInstallation } from "../../store/installation.ts";
import { type Database, openDatabase } from "../../store/database.ts";
import { migrate } from "../../store/migration_runner.ts";
import { startPostgresCluster } from "../integration/postgres_cluster.ts";
import { makeWholeChain } from "../whole_chain.ts";
import { measureAllowLatency, measureAppends, measureVerify, type SpeedFigures } from "./audit_speed.ts";

/** What was measured. */
export interface RecordFigures {
  readonly writers: number;
  readonly appends: SpeedFigures;
  readonly waits: readonly AllowWait[];
  readonly verify: SpeedFigures;
}

/** How long an allow waits for its commit at one rate. */
export interface AllowWait {
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

const WRITERS = 4;
const CALLS_PER_WRITER = 15_000;
/** Calls that each writer has under way at once. */
const UNDER_WAY = 500;
const RATES = [100, 500, 1_000];
const SECONDS_PER_RATE = 5;
const VERIFIED_EVENTS = 1_000_000;
const TIMEOUT_MS = 120_000;

/** Measures all of it. */
export async function measureRecord(): Promise<RecordFigures> {
  const cluster = await startPostgresCluster();
  const opened: Database[] = [];
  const open = async (databaseUrl: string) => {
    const database = await openDatabase({ dataDir: "/nonexistent", timeoutMs: TIMEOUT_MS, databaseUrl });
    opened.push(database);
    return database;
  };
  const prepare = async () => {
    const urls = await cluster.createDatabase();
    const owner = await open(urls.migrationUrl);
    await migrate(owner, { grantTo: new URL(urls.databaseUrl).username });
    const { logId } = await createInstallation(owner).readInstallation();
    return { urls, owner, place: { logId, databasePid: cluster.pid() } };
  };
  try {
    const many = await prepare();
    const whole = { superuserUrl: many.urls.superuserUrl, owner: many.owner, logId: many.place.logId };
    const chain = await makeWholeChain({ ...whole, events: VERIFIED_EVENTS });
    const { report, ...verify } = await measureVerify(many.place, await open(many.urls.databaseUrl), chain);
    if (report.verdict !== "verified") {
      throw new Error(`Expected a whole chain, got ${JSON.stringify(report)}`);
    }
    const { urls, place } = await prepare();
    const writers: Database[] = [];
    for (let number = 0; number < WRITERS; number++) writers.push(await open(urls.databaseUrl));
    let firstCall = 0;
    const waits: AllowWait[] = [];
    for (const ratePerSecond of RATES) {
      const allows = ratePerSecond * SECONDS_PER_RATE;
      const wait = await measureAllowLatency(place, writers[0]!, { ratePerSecond, allows, firstCall });
      waits.push({ ratePerSecond, ...wait });
      firstCall += allows;
    }
    const plan = { writers, callsPerWriter: CALLS_PER_WRITER, underWay: UNDER_WAY, firstCall };
    const appends = await measureAppends(place, plan);
    return { writers: WRITERS, appends, waits, verify };
  } finally {
    for (const database of opened) await database.close();
    await cluster.close();
  }
}
