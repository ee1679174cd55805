import { AdminClient, CONNECTION_OPTIONS } from "./admin_client.ts";
import { command } from "./command.ts";

export const apiDescribe = command({
  name: "api describe",
  summary: "Print the OpenAPI document of the gateway's admin API",
  details: ["For scripts and programs that use the admin API themselves."],
  options: { url: CONNECTION_OPTIONS.url },
  examples: [{ does: "keep it in a file", line: "intentgate api describe > openapi.json" }],
  routes: ["GET /openapi.json"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    terminal.print(JSON.stringify(await client.get("/openapi.json"), null, 2));
    return 0;
  },
});
