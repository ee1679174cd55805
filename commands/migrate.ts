import { migrate as runMigrations } from "../store/migration_runner.ts";
import { type Command, parseOptions } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { makeDataFolder } from "./data_folder.ts";
import { openConfigured } from "./store_parts.ts";

export const migrate: Command = {
  name: "migrate",
  summary: "Bring the database schema up to date and exit",
  usage: [
    "[--json]",
    "",
    "  --json             print JSON",
    "",
    "serve does this by itself; running it again does nothing.",
  ].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, { json: { type: "boolean", default: false } });
    const configuration = await loadConfiguration(terminal);
    await makeDataFolder(configuration.config.data_dir);
    const db = await openConfigured(configuration);
    try {
      const { applied, number } = await runMigrations(db);
      const text = applied.length === 0 ? "nothing to do" : `applied ${applied.join(", ")}`;
      terminal.print(
        values.json ? JSON.stringify({ applied, number }) : `Schema is at ${number}: ${text}`,
      );
      return 0;
    } finally {
      await db.close();
    }
  },
};
