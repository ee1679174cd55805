/** A command that reads what is kept beside one audit event. */
import { isJsonObject } from "../core/json.ts";
import { AdminClient, CONNECTION_OPTIONS } from "./admin_client.ts";
import { TENANT } from "./auditor_options.ts";
import { command, UsageError } from "./command.ts";
import { printMembers } from "./rows.ts";

export const auditValues = command({
  name: "audit values",
  summary: "Show what is kept beside an event: arguments, prompt, reason",
  details: [
    "Whether a value fits the digest that stands in the event is said with it; reading them is recorded. What a tenant " +
    "wants kept is set with tenant set --record-values.",
  ],
  args: [{ name: "seq", help: "The event, by the number that audit list prints." }],
  options: { tenant: TENANT, ...CONNECTION_OPTIONS },
  examples: [{ does: "what call 17 was made with", line: "intentgate audit values 17 --tenant acme" }],
  routes: ["GET /audit/values"],
  run: async ({ options, args: [text = ""] }, terminal) => {
    if (!/^[1-9]\d{0,14}$/.test(text)) {
      throw new UsageError(`Expected the number of an event, found "${text.slice(0, 40)}"`);
    }
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.get("/audit/values", { tenant: options.tenant, seq: text });
    const values = Array.isArray(answer.values) ? answer.values.filter(isJsonObject) : [];
    if (options.json) terminal.print(JSON.stringify(answer));
    else if (values.length === 0) {
      terminal.print(`Nothing is kept beside event ${text} of "${options.tenant}"`);
    } else {
      printMembers(
        terminal,
        values.map(({ field, value, matches }) =>
          [matches === true ? String(field) : `${field} (does NOT fit its digest)`, String(value)] as const
        ),
      );
    }
    return 0;
  },
});
