/** Commands that read the audit record. */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { GatewayError } from "../core/errors.ts";
import { AdminClient, CONNECTION_OPTIONS, sayMore } from "./admin_client.ts";
import { TENANT } from "./auditor_options.ts";
import { command, UsageError } from "./command.ts";
import { dateText, printMembers, printRows } from "./rows.ts";

export const auditList = command({
  name: "audit list",
  summary: "List audit events: decisions on calls, their outcomes, and changes by operators",
  details: [
    "In the order in which they were written, oldest first. --json prints the events as they are kept (OCSF), with their " +
    "hashes.",
  ],
  options: {
    tenant: TENANT,
    after: { kind: "number", value: "SEQ", help: "Begin after this event.", default: "0" },
    limit: { kind: "number", value: "N", help: "Print at most so many.", default: "100" },
    ...CONNECTION_OPTIONS,
  },
  examples: [
    { does: "the first 100 events of a tenant", line: "intentgate audit list --tenant acme" },
    {
      does: "what was blocked, and why",
      line: "intentgate audit list --tenant acme --limit 10000 --json | jq '.events[].event | " +
        'select(.unmapped.decision == "block") | .status_code\'',
    },
  ],
  routes: ["GET /audit/events"],
  run: async ({ options }, terminal) => {
    const { tenant, after, limit } = options;
    const client = await AdminClient.open(terminal, options.url);
    const listed = await client.list("/audit/events", "events", { tenant, after }, limit);
    if (options.json) {
      terminal.print(JSON.stringify({ tenant, events: listed.rows, next_after: listed.next_after }));
    } else if (listed.rows.length === 0) terminal.print(`There are no events of "${tenant}" after ${after}`);
    else printRows(terminal, ["SEQ", "TIME", "EVENT", "WHO", "WHAT"], listed.rows.map(eventRow));
    sayMore(terminal, listed);
    return 0;
  },
});

export const auditShow = command({
  name: "audit show",
  summary: "Show one audit event in full",
  args: [{ name: "seq", help: "The event, by the number that audit list prints." }],
  options: { tenant: TENANT, ...CONNECTION_OPTIONS },
  examples: [{ does: "everything about event 17", line: "intentgate audit show 17 --tenant acme" }],
  routes: ["GET /audit/events"],
  run: async ({ options, args: [text = ""] }, terminal) => {
    if (!/^[1-9]\d{0,14}$/.test(text)) {
      throw new UsageError(`Expected the number of an event, found "${text.slice(0, 40)}"`);
    }
    const [seq, { tenant }] = [Number(text), options];
    const client = await AdminClient.open(terminal, options.url);
    const { rows: [row] } = await client.list("/audit/events", "events", { tenant, after: seq - 1 }, 1);
    if (row === undefined || row.seq !== seq) {
      throw new GatewayError("internal", `There is no event ${seq} in the record of "${tenant}"`);
    }
    if (options.json) terminal.print(JSON.stringify({ tenant, ...row }));
    else {
      printMembers(terminal, [["seq", String(row.seq)], ["hash", String(row.hash)]]);
      terminal.print(JSON.stringify(row.event, null, 2));
    }
    return 0;
  },
});

/** One line per event; see docs/reference/audit.md for the members. */
export function eventRow({ seq, event, reason }: JsonObject): readonly string[] {
  const who = at(event, "actor", "user", "name") ?? at(event, "actor", "app_name");
  const code = at(event, "metadata", "event_code");
  return [String(seq), dateText(at(event, "time"), "ms"), word(code), word(who), whatOf(event, reason)];
}

/** A change says what was changed and why; a call what was decided, or how it ended, and about what. */
function whatOf(event: JsonValue | undefined, reason: JsonValue | undefined): string {
  const entity = at(event, "entity");
  const parts = entity === undefined
    ? [
      at(event, "unmapped", "decision") ?? at(event, "unmapped", "outcome"),
      `${word(at(event, "api", "service", "name"))}/${word(at(event, "api", "operation"))}`,
      at(event, "status_code"),
      at(event, "count") === undefined ? undefined : `(${word(at(event, "count"))} times)`,
    ]
    : [at(entity, "type"), at(entity, "uid"), reason];
  // An outcome is its own status code.
  return [...new Set(parts.map(word))].filter((part) => part !== "" && part !== "/").join(" ");
}

/** A member at a path, or `undefined` where the event has none. */
function at(value: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined {
  let found = value;
  for (const name of path) found = isJsonObject(found) ? found[name] : undefined;
  return found;
}

function word(value: JsonValue | undefined): string {
  return value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
}
