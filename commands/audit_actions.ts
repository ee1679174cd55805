/** Commands that prune and erase: one operator asks, another confirms. */
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { AdminClient, CONNECTION_OPTIONS, LIMIT_OPTION, sayMore } from "./admin_client.ts";
import { secondsOf } from "./event_options.ts";
import { command, type Terminal } from "./command.ts";
import { dateText, printRows } from "./rows.ts";

const TENANT = {
  kind: "text",
  value: "NAME",
  required: true,
  suggests: "tenant",
  help: "Whose record.",
} as const;
/** Also a chain that is no tenant's. */
const CHAIN = { ...TENANT, help: "Whose record; ~unverified and ~installation are nobody's." } as const;
const TWO_PEOPLE =
  "Two operators with names of their own are needed: nothing goes before another one has run audit confirm, within a day.";

export const auditPrune = command({
  name: "audit prune",
  summary: "Ask to remove events that are older than they are kept",
  details: [
    "Their hashes stay: what is left of the record verifies as before, and says which events are gone and who wanted it. " +
    "Events go in whole tiles of 256, and only those that a checkpoint covers and whose calls have ended.",
    TWO_PEOPLE,
  ],
  options: { tenant: CHAIN, ...CONNECTION_OPTIONS },
  examples: [{
    does: "what is older than retention_days of acme",
    line: "intentgate audit prune --tenant acme",
  }],
  routes: ["POST /audit/prunes"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", "/audit/prunes", { tenant: options.tenant });
    printAsked(terminal, options.json, answer);
    return 0;
  },
});

export const auditErase = command({
  name: "audit erase",
  summary: "Ask to erase values and salts beside events",
  details: [
    "The events stay and verify as before; their digests can no longer be tried against a guessed value. Confirmed, it goes " +
    "on by itself, however long the record is: audit pending shows how far it is.",
    TWO_PEOPLE,
  ],
  options: {
    tenant: CHAIN,
    agent: { kind: "text", value: "NAME", help: "What this agent called with." },
    user: { kind: "text", value: "NAME", help: "What stands in events about this user or operator." },
    event: { kind: "text", value: "ID", help: "What belongs to the event with this id (metadata.uid)." },
    from: { kind: "text", value: "TIME", help: "Only events recorded from this time on, like 2027-01-01." },
    to: { kind: "text", value: "TIME", help: "Only events recorded before this time." },
    ...CONNECTION_OPTIONS,
  },
  groups: [{ rule: "exactly one", options: ["agent", "user", "event"] }],
  examples: [{
    does: "what an agent called with in January",
    line: "intentgate audit erase --tenant acme --agent billing --from 2027-01-01 --to 2027-02-01",
  }],
  routes: ["POST /audit/erasures"],
  run: async ({ options }, terminal) => {
    const { tenant, agent, user, event, from, to } = options;
    const client = await AdminClient.open(terminal, options.url);
    const answer = await client.write("POST", "/audit/erasures", {
      tenant,
      ...(agent === undefined ? {} : { agent }),
      ...(user === undefined ? {} : { user }),
      ...(event === undefined ? {} : { event }),
      ...(from === undefined ? {} : { from_time: secondsOf(from, "from") }),
      ...(to === undefined ? {} : { to_time: secondsOf(to, "to") }),
    });
    printAsked(terminal, options.json, answer);
    return 0;
  },
});

export const auditPending = command({
  name: "audit pending",
  summary: "List what waits for a second operator, and erasures that are under way",
  options: { ...LIMIT_OPTION, ...CONNECTION_OPTIONS },
  examples: [{ does: "what is to be confirmed?", line: "intentgate audit pending" }],
  routes: ["GET /audit/actions"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const listed = await client.list("/audit/actions", "actions", {}, options.limit);
    if (options.json) {
      terminal.print(JSON.stringify({ actions: listed.rows, next_after: listed.next_after }));
    } else if (listed.rows.length === 0) terminal.print("Nothing waits for a second operator");
    else printRows(terminal, ["ID", "TENANT", "WHAT", "BY", "UNTIL"], listed.rows.map(rowOf));
    sayMore(terminal, listed);
    return 0;
  },
});

export const auditConfirm = command({
  name: "audit confirm",
  summary: "Confirm what another operator asked for, which does it; nothing undoes it",
  args: [{ name: "id", help: "The action, by the id that audit pending prints." }],
  options: { ...CONNECTION_OPTIONS },
  examples: [{
    does: "the prune that a colleague asked for",
    line: "intentgate audit confirm 01943d6c-7a1e-7c3f-9a51-5d8f6f1f2b10",
  }],
  routes: ["POST /audit/actions/{id}/confirm"],
  run: async ({ options, args: [id = ""] }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const path = `/audit/actions/${encodeURIComponent(id)}/confirm`;
    const answer = await client.write("POST", path, undefined, CONFIRM_TIMEOUT_MS);
    terminal.print(options.json ? JSON.stringify(answer) : doneText(answer));
    return 0;
  },
});

/** What is to be pruned is recomputed first, for up to a minute. */
const CONFIRM_TIMEOUT_MS = 100_000;

function printAsked(terminal: Terminal, json: boolean, answer: JsonObject): void {
  terminal.print(
    json ? JSON.stringify(answer) : `Asked to ${whatOf(answer)}\n` +
      `Another operator confirms it with: intentgate audit confirm ${answer.id}`,
  );
}

function doneText(answer: JsonObject): string {
  const { erased, erasing }: { readonly [member: string]: JsonValue | undefined } = answer;
  if (isJsonObject(erasing)) {
    return `Confirmed: ${whatOf(answer)}; ${
      progressOf(erasing)
    }, the rest follows by itself: see audit pending`;
  }
  if (!isJsonObject(erased)) return `Done: ${whatOf(answer)}; the bodies go within a minute`;
  return `Done: ${whatOf(answer)}; ${erased.values} values and ${erased.salts} salts went`;
}

function progressOf({ seq, last }: JsonObject): string {
  return `event ${seq} of ${last}`;
}

function whatOf({ kind, tenant, details }: JsonObject): string {
  const { from, to, agent, user, event, from_time, to_time } = isJsonObject(details) ? details : {};
  if (kind === "prune") return `prune the events ${from} to ${to} of "${tenant}"`;
  const about = agent !== undefined
    ? `agent "${agent}"`
    : user !== undefined
    ? `user "${user}"`
    : `event ${event}`;
  const since = from_time === undefined ? "" : ` from ${dateText(from_time)}`;
  const until = to_time === undefined ? "" : ` to ${dateText(to_time)}`;
  return `erase what is kept beside events of ${about} of "${tenant}"${since}${until}`;
}

function rowOf(row: JsonObject): readonly string[] {
  return [
    ...[String(row.id), String(row.tenant), whatOf(row)],
    String(row.requested_by),
    isJsonObject(row.erasing) ? progressOf(row.erasing) : dateText(row.expires_at),
  ];
}
