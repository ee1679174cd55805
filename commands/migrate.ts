import { migrate as runMigrations, type MigrateResult } from "../store/migration_runner.ts";
import type { ExitCode, Terminal } from "./command.ts";
import { type Configuration, loadConfiguration } from "./configuration.ts";
import { makeDataFolder } from "./data_folder.ts";
import { migrateAsOwner } from "./database_roles.ts";
import { openConfigured } from "./store_parts.ts";

/** Applies the migrations that the database lacks, and says which. */
export async function migrateDatabase(
  terminal: Terminal,
  options: { readonly json: boolean },
): Promise<ExitCode> {
  const configuration = await loadConfiguration(terminal);
  await makeDataFolder(configuration.config.data_dir);
  const { applied, number } = await migrateAsOwner(configuration) ?? await migrateWithOneRole(configuration);
  const text = applied.length === 0 ? "nothing to do" : `applied ${applied.join(", ")}`;
  terminal.print(
    options.json ? JSON.stringify({ applied, number }) : `Schema is at ${number}: ${text}`,
  );
  return 0;
}

async function migrateWithOneRole(configuration: Configuration): Promise<MigrateResult> {
  const db = await openConfigured(configuration);
  try {
    return await runMigrations(db);
  } finally {
    await db.close();
  }
}
