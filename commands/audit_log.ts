/** Commands that get what an auditor keeps or checks alone: keys, checkpoints and proofs. */
import { verifyLogProof } from "../audit/log_proof.ts";
import { parseEventJson } from "../audit/event_json.ts";
import { AdminClient, CONNECTION_OPTIONS } from "./admin_client.ts";
import {
  COSIGNED_OPTION,
  exitCodeOf,
  KEY_OPTIONS,
  readInputFile,
  readKeys,
  TENANT,
} from "./auditor_options.ts";
import { command, UsageError } from "./command.ts";
import { printableLine } from "./printable.ts";

export const auditKey = command({
  name: "audit key",
  summary: "Print the keys that checkpoints of an audit log are checked with",
  details: [
    "An auditor needs them once and keeps them: a key that comes from whoever is to be checked with it proves nothing. " +
    "Hand them over on another way, or compare them.",
  ],
  options: { tenant: TENANT, ...CONNECTION_OPTIONS },
  examples: [{ does: "for the auditor", line: "intentgate audit key --tenant acme" }],
  routes: ["GET /audit/log/{chain}"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const log = await client.get(`/audit/log/${encodeURIComponent(options.tenant)}`);
    if (options.json) terminal.print(JSON.stringify(log));
    else for (const key of Array.isArray(log.keys) ? log.keys : []) terminal.print(String(key));
    return 0;
  },
});

export const auditCheckpoint = command({
  name: "audit checkpoint",
  summary: "Print the last signed checkpoint of an audit log",
  details: [
    "Whoever keeps it outside can prove later that nothing before it was changed: see --expected of audit verify and " +
    "--checkpoint of audit verify-export.",
  ],
  options: { tenant: TENANT, ...COSIGNED_OPTION, url: CONNECTION_OPTIONS.url },
  examples: [{
    does: "keep it for the next quarter",
    line: "intentgate audit checkpoint --tenant acme > acme-2027-q1.checkpoint",
  }],
  routes: ["GET /audit/log/{chain}/checkpoint"],
  run: async ({ options }, terminal) => {
    const client = await AdminClient.open(terminal, options.url);
    const path = `/audit/log/${encodeURIComponent(options.tenant)}/checkpoint`;
    terminal.print(await client.text(path, { cosigned: options.cosigned }));
    return 0;
  },
});

export const auditProof = command({
  name: "audit proof",
  summary: "Print a proof that one event stands in an audit log",
  details: [
    "A C2SP tlog-proof, with the event itself in it: a file that audit verify-proof checks without any gateway.",
  ],
  args: [{ name: "seq", help: "The event, by the number that audit list prints." }],
  options: { tenant: TENANT, ...COSIGNED_OPTION, url: CONNECTION_OPTIONS.url },
  examples: [{
    does: "hand over one event",
    line: "intentgate audit proof 17 --tenant acme > event-17.tlog-proof",
  }],
  routes: ["GET /audit/proof"],
  run: async ({ options, args: [text = ""] }, terminal) => {
    if (!/^[1-9]\d{0,14}$/.test(text)) {
      throw new UsageError(`Expected the number of an event, found "${text.slice(0, 40)}"`);
    }
    const { tenant, cosigned } = options;
    const client = await AdminClient.open(terminal, options.url);
    terminal.print(await client.text("/audit/proof", { tenant, cosigned, seq: text }));
    return 0;
  },
});

export const auditVerifyProof = command({
  name: "audit verify-proof",
  summary: "Check a proof of one event, without any gateway, and print the event",
  details: [
    "Ends with 0 when the event stood in the log that the key signed, 1 when the proof is broken, 3 without a key or " +
    "without enough witnesses.",
  ],
  args: [{ name: "file", help: "What audit proof printed.", suggests: "file" }],
  options: { ...KEY_OPTIONS, json: CONNECTION_OPTIONS.json },
  examples: [{
    does: "with the key that you got before",
    line: 'intentgate audit verify-proof event-17.tlog-proof --key "$ACME_LOG_KEY"',
  }],
  run: async ({ options, args: [path = ""] }, terminal) => {
    // A terminal and a pipe may each have added a line break of their own.
    const text = `${(await readInputFile(terminal, path)).trimEnd()}\n`;
    const report = verifyLogProof(text, {
      keys: readKeys(options.key, "key"),
      witnesses: readKeys(options.witness, "witness"),
      witnessesNeeded: options.witnesses,
    });
    if (options.json) terminal.print(JSON.stringify(report));
    else {
      const { verdict, seq, size, detail } = report;
      const found = seq === undefined ? "" : `: event ${seq} of a log of ${size}`;
      const line = `The proof is ${verdict}${found}${detail === undefined ? "" : ` (${detail})`}`;
      terminal.print(printableLine(line));
      if (report.event !== undefined) terminal.print(shown(report.event));
    }
    return exitCodeOf(report.verdict);
  },
});

/** An event as a person reads it; one that the key signed although it is none stands as it is. */
function shown(event: string): string {
  const parsed = parseEventJson(event);
  return parsed === undefined ? printableLine(event) : JSON.stringify(parsed, null, 2);
}
