import { AdminClient, CONNECTION_OPTIONS, LIMIT_OPTION, sayMore } from "./admin_client.ts";
import { command } from "./command.ts";
import { printRows } from "./rows.ts";

export const upstreamList = command({
  name: "upstream list",
  summary: "List the upstreams (tool servers) of the gateway that your tenants may use",
  details: ["Upstreams stand in the configuration of the gateway: change them there and restart it."],
  options: { ...LIMIT_OPTION, ...CONNECTION_OPTIONS },
  examples: [{ does: "which tool servers are there?", line: "intentgate upstream list" }],
  routes: ["GET /upstreams"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const listed = await client.list("/upstreams", "upstreams", {}, options.limit);
    if (options.json) {
      terminal.print(JSON.stringify({ upstreams: listed.rows, next_after: listed.next_after }));
    } else if (listed.rows.length === 0) terminal.print("Your tenants may use no upstream");
    else {
      const rows = listed.rows.map(({ name, url, tenants }) => [
        String(name),
        Array.isArray(tenants) ? tenants.join(",") : "every",
        String(url),
      ]);
      printRows(terminal, ["NAME", "TENANTS", "URL"], rows);
    }
    sayMore(terminal, listed);
    return 0;
  },
});
