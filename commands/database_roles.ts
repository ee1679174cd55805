/** Two database roles where the configuration names two: one owns and migrates, the other one serves. */
import { GatewayError } from "../core/errors.ts";
import { type Database, openDatabase } from "../store/database.ts";
import { type Hardening, readHardening, refuseExcessRights } from "../store/database_role.ts";
import { parseDatabaseUrl } from "../store/database_url.ts";
import { migrate, type MigrateResult } from "../store/migration_runner.ts";
import type { Configuration } from "./configuration.ts";

const MIGRATION_URL = "DATABASE_MIGRATION_URL";

/** What the configuration alone says; throws when its two URLs do not fit each other. */
export function configuredHardening({ databaseUrl, migrationUrl }: Configuration): Hardening {
  if (migrationUrl === undefined) {
    if (databaseUrl !== undefined) parseDatabaseUrl(databaseUrl);
    return databaseUrl === undefined ? "embedded" : "owner";
  }
  if (databaseUrl === undefined) {
    throw new GatewayError(
      "config_invalid",
      `Cannot use ${MIGRATION_URL} without DATABASE_URL, which names the role that serves`,
    );
  }
  const owner = parseDatabaseUrl(migrationUrl, MIGRATION_URL).user;
  const serving = parseDatabaseUrl(databaseUrl).user;
  if (owner === undefined || serving === undefined || owner === serving) {
    const found = (user: string | undefined) => user === undefined ? "none" : `"${user}"`;
    throw new GatewayError(
      "config_invalid",
      `Cannot use ${MIGRATION_URL} beside DATABASE_URL: expected two different users, ` +
        `got ${found(owner)} and ${found(serving)}`,
    );
  }
  return "separated";
}

/**
 * Migrates with the owner's role, lets the run-time role do its work, and forgets the owner's role again. Does nothing
 * when the configuration has no URL of its own for that.
 */
export async function migrateAsOwner(
  configuration: Configuration,
  onNotice?: (message: string) => void,
): Promise<MigrateResult | undefined> {
  const { config, databaseUrl, migrationUrl } = configuration;
  configuredHardening(configuration);
  if (migrationUrl === undefined || databaseUrl === undefined) return undefined;
  const grantTo = parseDatabaseUrl(databaseUrl).user;
  const owner = await openDatabase({
    ...{ databaseUrl: migrationUrl, dataDir: config.data_dir, timeoutMs: config.database_timeout_ms },
    ...(onNotice === undefined ? {} : { onNotice }),
  });
  try {
    return await migrate(owner, grantTo === undefined ? {} : { grantTo });
  } finally {
    await owner.close();
  }
}

/** How the database itself sees the run-time role; refuses one that is less than the configuration promises. */
export async function provenHardening(configuration: Configuration, db: Database): Promise<Hardening> {
  if (configuredHardening(configuration) === "separated") {
    await db.deadline(refuseExcessRights(db.sql));
    return "separated";
  }
  return await db.deadline(readHardening(db));
}
