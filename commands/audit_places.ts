/** The command that shows where checkpoints are pushed. */
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { AdminClient, CONNECTION_OPTIONS } from "./admin_client.ts";
import { TENANT } from "./auditor_options.ts";
import { command } from "./command.ts";
import { dateText, printRows } from "./rows.ts";

export const auditPlaces = command({
  name: "audit places",
  summary: "Show which places outside have which checkpoint of an audit record",
  details: [
    "Witnesses, S3, webhooks and folders stand in the configuration of the gateway as checkpoint_places. What stands " +
    "under PROBLEM is why the last push failed, or what the place holds against the record.",
    "Ends with 1 when a place holds what the record does not continue.",
  ],
  options: { tenant: TENANT, ...CONNECTION_OPTIONS },
  examples: [{ does: "do the checkpoints arrive?", line: "intentgate audit places --tenant acme" }],
  routes: ["GET /audit/places"],
  run: async ({ options }, terminal) => {
    const { tenant } = options;
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.get("/audit/places", { tenant });
    const places = (Array.isArray(answer.places) ? answer.places : []).filter(isJsonObject);
    if (options.json) terminal.print(JSON.stringify(answer));
    else if (places.length === 0) {
      terminal.print("Checkpoints are pushed nowhere: checkpoint_places is empty");
    } else printRows(terminal, ["PLACE", "TYPE", "SIZE", "LAG", "PUSHED", "PROBLEM"], places.map(placeRow));
    return places.some(({ conflict }) => isJsonObject(conflict)) ? 1 : 0;
  },
});

function placeRow(
  { name, type, size, lag, pushed_at: pushedAt, conflict, last_error: lastError, failures }: JsonObject,
): readonly string[] {
  const { events = 0, seconds = 0 } = isJsonObject(lag) ? lag : {};
  const held = isJsonObject(conflict) ? `CONFLICT (${conflict.code}, it holds size ${conflict.size}): ` : "";
  const error = typeof lastError === "string" ? `${lastError} (${failures} times)` : "";
  return [
    ...[String(name), String(type), typeof size === "number" ? String(size) : "none"],
    events === 0 && seconds === 0 ? "none" : `${events} events, ${seconds} s`,
    ...[typeof pushedAt === "number" ? dateText(pushedAt) : "never", `${held}${error}`],
  ];
}
