/** Commands that take the audit record away as files, and check such a file without any gateway. */
import { type ExportReport, verifyExport } from "../audit/export/verify_export.ts";
import { AdminClient, CONNECTION_OPTIONS } from "./admin_client.ts";
import { downloadExport, downloadTable } from "./audit_download.ts";
import { EVENT_OPTIONS, eventQuery } from "./event_options.ts";
import { exitCodeOf, KEY_OPTIONS, pathOf, readInputFile, readKeys, TENANT } from "./auditor_options.ts";
import { sizeOfNote } from "./audit_verify.ts";
import { printableLine } from "./printable.ts";
import { command, type ExitCode, type OptionDeclarations, type Terminal, UsageError } from "./command.ts";

const FILTERS = {
  first: { kind: "number", value: "SEQ", help: "The first event." },
  last: { kind: "number", value: "SEQ", help: "The last event; without it, the last there is." },
  ...EVENT_OPTIONS,
} as const satisfies OptionDeclarations;

const OUTPUT = {
  output: {
    ...{ kind: "text", value: "FILE", required: true, suggests: "file" },
    help: "Where it is written; a file that exists is never replaced.",
  },
} as const satisfies OptionDeclarations;

export const auditExport = command({
  name: "audit export",
  summary: "Export events of an audit record with everything that proves them",
  details: [
    "The archive is checked when it has arrived. Without --key that is done with the keys that it brings along, which " +
    "says only that it is whole: the answer is unproven. A download that breaks off is kept as FILE.part, and the same " +
    "command goes on with it.",
    "Filters keep the archive provable: events that they leave out stand in it as a digest.",
    "Ends as audit verify-export does.",
  ],
  options: {
    ...OUTPUT,
    tenant: TENANT,
    ...FILTERS,
    checkpoint: {
      ...{ kind: "text", value: "FILE", suggests: "file" },
      help: "A signed checkpoint that you hold: the archive then proves that the log continues it.",
    },
    ...KEY_OPTIONS,
    unchecked: { kind: "flag", help: "Do not check the archive." },
    ...CONNECTION_OPTIONS,
  },
  examples: [
    {
      does: "everything of a tenant",
      line: 'intentgate audit export --tenant acme --output acme.tar --key "$ACME_LOG_KEY"',
    },
    {
      does: "what an agent was refused in a quarter",
      line:
        "intentgate audit export --tenant acme --output refused.tar --agent invoice-bot --decision block " +
        '--from 2027-01-01 --to 2027-04-01 --key "$ACME_LOG_KEY"',
    },
  ],
  routes: ["GET /audit/export"],
  run: async ({ options }, terminal) => {
    const { output, checkpoint: path, tenant } = options;
    const note = path === undefined ? undefined : await readInputFile(terminal, path);
    const knowledge = knowledgeOf({ ...options, tenant }, note);
    const client = await AdminClient.open(terminal, options.url);
    const arrived = await downloadExport(client, terminal, pathOf(terminal, output), {
      ...{
        tenant,
        first: options.first,
        last: options.last,
        ...eventQuery(options),
        since_size: note === undefined ? undefined : sizeOfNote(note),
      },
      cosigned: options.witnesses === 0 ? undefined : options.witnesses,
    });
    if (options.unchecked) {
      terminal.print(
        `"${output}" holds the events ${arrived.first} to ${arrived.last} of "${tenant}", unchecked`,
      );
      return 0;
    }
    const file = pathOf(terminal, output);
    const report = knowledge.keys.length > 0
      ? await verifyFile(file, knowledge)
      : byItsOwnKeys(await verifyFile(file, { ...knowledge, keys: readKeys(arrived.keys, "key") }));
    return printReport(terminal, options.json, report);
  },
});

export const auditTable = command({
  name: "audit table",
  summary: "Write events of an audit record as CSV for spreadsheets, which proves nothing",
  details: [
    "An apostrophe stands before whatever a spreadsheet would compute. FILE is there once it is whole. For evidence: " +
    "audit export.",
  ],
  options: { ...OUTPUT, tenant: TENANT, ...FILTERS, url: CONNECTION_OPTIONS.url },
  examples: [{
    does: "the calls of an agent",
    line: "intentgate audit table --tenant acme --agent invoice-bot --output calls.csv",
  }],
  routes: ["GET /audit/events.csv"],
  run: async ({ options }, terminal) => {
    const { tenant, output } = options;
    const client = await AdminClient.open(terminal, options.url);
    await downloadTable(client, pathOf(terminal, output), {
      tenant,
      first: options.first,
      last: options.last,
      ...eventQuery(options),
    });
    return 0;
  },
});

export const auditVerifyExport = command({
  name: "audit verify-export",
  summary: "Check an export without any gateway",
  details: [
    "A second program does the same, written in Python from docs/reference/audit_export.md: tools/verify_export.py.",
    "Ends with 0 when the export is verified, 1 when it is broken, 3 when something that was asked for is not proven.",
  ],
  args: [{ name: "file", help: "The archive.", suggests: "file" }],
  options: {
    ...KEY_OPTIONS,
    checkpoint: {
      ...{ kind: "text", value: "FILE", suggests: "file" },
      help: "A signed checkpoint that you hold: the log must continue it.",
    },
    tenant: { kind: "text", value: "NAME", help: "Whose record it must be.", suggests: "tenant" },
    json: CONNECTION_OPTIONS.json,
  },
  examples: [{
    does: "against the checkpoint of the last quarter",
    line:
      'intentgate audit verify-export acme.tar --key "$ACME_LOG_KEY" --checkpoint acme-2027-q1.checkpoint',
  }],
  run: async ({ options, args: [path = ""] }, terminal) => {
    const note = options.checkpoint === undefined
      ? undefined
      : await readInputFile(terminal, options.checkpoint);
    const report = await verifyFile(pathOf(terminal, path), knowledgeOf(options, note));
    return printReport(terminal, options.json, report);
  },
});

function knowledgeOf(
  options: {
    readonly key: readonly string[] | undefined;
    readonly witness: readonly string[] | undefined;
    readonly witnesses: number;
    readonly tenant?: string | undefined;
  },
  note: string | undefined,
) {
  return {
    keys: readKeys(options.key, "key"),
    witnesses: readKeys(options.witness, "witness"),
    witnessesNeeded: options.witnesses,
    ...(options.tenant === undefined ? {} : { chain: options.tenant }),
    ...(note === undefined ? {} : { checkpoint: note }),
  };
}

async function verifyFile(
  path: string,
  knowledge: Parameters<typeof verifyExport>[1],
): Promise<ExportReport> {
  const file = await Deno.open(path).catch((cause) => {
    throw new UsageError(`Cannot read the file "${path}"`, { cause });
  });
  return await verifyExport(file.readable, knowledge);
}

/** Whoever made the archive chose these keys: nothing is proven by them. */
function byItsOwnKeys(report: ExportReport): ExportReport {
  if (report.verdict !== "verified") return report;
  const detail = "It is whole under the keys that it brings along itself; prove it with your own: --key";
  return { ...report, verdict: "unproven", code: "no_key", detail };
}

/** The verdict first, on a line of its own that no text of the archive can end. */
function printReport(terminal: Terminal, json: boolean, report: ExportReport): ExitCode {
  if (json) terminal.print(JSON.stringify(report));
  else {
    const { verdict, code, detail, chain, first, last, size, redacted, open, cosigners, pruned } = report;
    const of = chain === undefined ? "the export" : `the export of events ${first} to ${last} of "${chain}"`;
    const more = [
      ...(size === undefined ? [] : [`under a checkpoint of size ${size}`]),
      ...(redacted === 0 ? [] : [`${redacted} events redacted`]),
      ...(pruned === undefined ? [] : [`the events up to ${pruned.last} pruned, see event ${pruned.seq}`]),
      ...(open === 0 ? [] : [`${open} calls whose outcome comes later`]),
      ...(cosigners.length === 0 ? [] : [`cosigned by ${cosigners.join(", ")}`]),
    ].join(", ");
    const line = verdict === "verified"
      ? `Verified: ${of}, ${more}`
      : `${verdict === "broken" ? "BROKEN" : "Unproven"} (${code}): ${of}: ${detail}`;
    terminal.print(printableLine(line));
  }
  return exitCodeOf(report.verdict);
}
