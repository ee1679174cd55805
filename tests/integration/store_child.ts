/** A process of its own for the tests of the embedded database: `<data folder> hold|write|migrate`. */
import { MIGRATIONS } from "../../migrations/migrations.ts";
import { createAuditEvents } from "../../store/audit_events.ts";
import { openDatabase } from "../../store/database.ts";
import { migrate } from "../../store/migration_runner.ts";

async function main(dataDir: string, what: string): Promise<void> {
  const database = await openDatabase({ dataDir, timeoutMs: 10_000 });
  console.log("open");
  if (what === "migrate") {
    for (let count = 1; count <= MIGRATIONS.length; count++) {
      await migrate(database, { migrations: MIGRATIONS.slice(0, count) });
      console.log(`applied ${count}`);
    }
  }
  if (what === "write") {
    await migrate(database);
    const events = createAuditEvents(database);
    for (let index = 1;; index++) {
      const canonical = JSON.stringify({ index });
      await events.append([{ chain: "default", eventId: `e${index}`, canonical, conditions: [] }]);
      console.log(`acknowledged ${index}`);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}

if (import.meta.main) void main(Deno.args[0] ?? "", Deno.args[1] ?? "");
