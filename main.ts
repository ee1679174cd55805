import { runCommand } from "./commands/run.ts";

// Ends the process even when something still waits, for example an agent's idle connection.
if (import.meta.main) Deno.exit(await runCommand(Deno.args));
