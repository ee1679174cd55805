/** Commands that find audit events, and follow them as they come. */
import { isJsonObject } from "../core/json.ts";
import { GatewayError } from "../core/errors.ts";
import { eventRow } from "./audit.ts";
import { AdminClient, CONNECTION_OPTIONS, sayMore } from "./admin_client.ts";
import { TENANT } from "./auditor_options.ts";
import { command, type OptionDeclarations, type Terminal } from "./command.ts";
import { type EventMessage, eventMessages } from "./event_messages.ts";
import { EVENT_OPTIONS, eventQuery } from "./event_options.ts";
import { printableLine } from "./printable.ts";
import { printRows } from "./rows.ts";

/** Before it comes again, unless the gateway says something else. */
const RETRY_MS = 2_000;

export const auditSearch = command({
  name: "audit search",
  summary: "Find audit events, the newest first",
  details: [
    "Everything that is asked for must hold. What is found is what the gateway says; for evidence: audit export with the " +
    "same options, and audit proof for one event.",
  ],
  options: {
    tenant: TENANT,
    ...EVENT_OPTIONS,
    after: { kind: "number", value: "SEQ", help: "Only events older than this one." },
    limit: { kind: "number", value: "N", help: "Print at most so many.", default: "100" },
    ...CONNECTION_OPTIONS,
  },
  examples: [
    {
      does: "what an agent was refused since yesterday",
      line: "intentgate audit search --tenant acme --agent invoice-bot --decision block --from 2027-01-31",
    },
    {
      does: "a call and its outcome, by the id that the agent was told",
      line: "intentgate audit search --tenant acme --call 01958c2e-7b1e-7c3e-9d52-0a1b2c3d4e5f --json",
    },
  ],
  routes: ["GET /audit/search"],
  run: async ({ options }, terminal) => {
    const { tenant, after, limit } = options;
    const client = await AdminClient.open(terminal, options.url);
    const query = { tenant, ...eventQuery(options), after };
    const found = await client.list("/audit/search", "events", query, limit);
    if (options.json) {
      terminal.print(JSON.stringify({ tenant, events: found.rows, next_after: found.next_after }));
    } else if (found.rows.length === 0) terminal.print(`No event of "${tenant}" is like that`);
    else printRows(terminal, ["SEQ", "TIME", "EVENT", "WHO", "WHAT"], found.rows.map(eventRow));
    sayMore(terminal, found);
    return 0;
  },
});

const TAIL_OPTIONS = {
  tenant: TENANT,
  ...EVENT_OPTIONS,
  after: {
    ...{ kind: "number", value: "SEQ" },
    help: "Begin after this event instead of with the next one that comes.",
  },
  limit: { kind: "number", value: "N", help: "End after so many events." },
  url: CONNECTION_OPTIONS.url,
  json: { kind: "flag", help: "Print the canonical events, one a line." },
} as const satisfies OptionDeclarations;

export const auditTail = command({
  name: "audit tail",
  summary: "Print audit events as they are recorded",
  details: [
    "Goes on until it is interrupted. When the connection breaks it comes again and goes on after the last event, so that " +
    "none is missed and none comes twice.",
  ],
  options: TAIL_OPTIONS,
  examples: [
    { does: "wait for the next event", line: "intentgate audit tail --tenant acme --limit 1" },
    {
      does: "the next ten refusals",
      line: "intentgate audit tail --tenant acme --decision block --limit 10 --json",
    },
  ],
  routes: ["GET /audit/stream"],
  run: async ({ options }, terminal) => {
    const { tenant, after, limit = Infinity, json } = options;
    const client = await AdminClient.open(terminal, options.url);
    const query = { tenant, ...eventQuery(options), after };
    let lastId: string | undefined;
    let retryMs = RETRY_MS;
    for (let left = limit, isFirst = true; left > 0; isFirst = false) {
      try {
        const headers: Record<string, string> = lastId === undefined ? {} : { "last-event-id": lastId };
        const { body } = await client.file("/audit/stream", query, headers);
        for await (const message of eventMessages(body ?? new ReadableStream())) {
          lastId = message.id ?? lastId;
          retryMs = message.retryMs ?? retryMs;
          if (message.data === "") continue;
          printMessage(terminal, message, json);
          if (--left === 0) break;
        }
      } catch (error) {
        if (isFirst || isRefusal(error)) throw error;
        terminal.complain(`The connection broke; going on after event ${lastId ?? "none"}`);
      }
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    return 0;
  },
});

/** Something that asking again does not change. */
function isRefusal(error: unknown): boolean {
  return error instanceof GatewayError && /refused with status 4(?!29)/.test(error.message);
}

function printMessage(terminal: Terminal, { id, event, data }: EventMessage, json: boolean): void {
  if (event === "pruned") {
    terminal.print(
      json ? JSON.stringify({ pruned: data }) : `${id}  pruned, its leaf hash is ${printableLine(data)}`,
    );
    return;
  }
  if (json) return terminal.print(printableLine(data));
  const parsed = JSON.parse(data);
  const row = eventRow({ seq: Number(id), event: isJsonObject(parsed) ? parsed : {} });
  terminal.print(row.map(printableLine).join("  ").trimEnd());
}
