import { runCommand } from "./commands/run.ts";

if (import.meta.main) Deno.exitCode = await runCommand(Deno.args);
