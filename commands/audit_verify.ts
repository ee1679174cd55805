/** `intentgate audit verify`: asks a gateway to recompute a record, step by step, and checks what it signed. */
import { Buffer } from "node:buffer";
import { type Checkpoint, openCheckpoint, parseCheckpointText } from "../audit/checkpoint.ts";
import { verifyConsistency } from "../audit/merkle_tree.ts";
import { NoteError, type NoteVerifier, parseNote } from "../audit/signed_note.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { AdminClient, CONNECTION_OPTIONS } from "./admin_client.ts";
import {
  exitCodeOf,
  KEY_OPTIONS,
  readIfThere,
  readInputFile,
  readKeys,
  replaceFile,
  TENANT,
} from "./auditor_options.ts";
import { command, type ExitCode, type Terminal, UsageError } from "./command.ts";

/** The gateway gives itself 60 seconds for a step of which it tells nothing on the way. */
const SILENCE_TIMEOUT_MS = 75_000;
const PROGRESS_PARTS = 20;

export const auditVerify = command({
  name: "audit verify",
  summary: "Recompute an audit record at the gateway and say whether it is whole",
  details: [
    "Progress goes to standard error. Where the gateway ends before the record does, it is asked to go on from the last " +
    "signed checkpoint that it reached.",
    "With --key it also checks here, without believing the gateway, that the key signed the newest checkpoint, and that " +
    "it continues the ones of --expected and --remember. Whoever must not trust the gateway at all exports the record.",
    "Ends with 0 when the record is verified, 1 when it is broken, 3 when neither could be proven.",
  ],
  options: {
    tenant: TENANT,
    expected: {
      ...{ kind: "text", value: "FILE", suggests: "file" },
      help: "A signed checkpoint that you hold: the record must continue it.",
    },
    remember: {
      ...{ kind: "text", value: "FILE", suggests: "file" },
      help: "Keeps the last verified checkpoint in this file, and begins after it the next time.",
    },
    key: KEY_OPTIONS.key,
    ...CONNECTION_OPTIONS,
  },
  examples: [{
    does: "raise an alarm when a record was changed",
    line: "intentgate audit verify --tenant acme || echo 'audit record of acme: look at it' >&2",
  }],
  routes: ["GET /audit/verify"],
  run: async ({ options }, terminal): Promise<ExitCode> => {
    const { tenant, remember } = options;
    const keys = readKeys(options.key, "key");
    const expected = options.expected === undefined
      ? undefined
      : await readInputFile(terminal, options.expected);
    const remembered = remember === undefined ? undefined : await readIfThere(terminal, remember);
    const client = await AdminClient.open(terminal, options.url);
    const report = await verifyInSteps(client, terminal, { tenant, expected, since: remembered });
    const held = [expected, remembered].filter((note) => note !== undefined);
    const checked = report.verdict === "verified" && keys.length > 0
      ? await checkedHere(client, report, { tenant, keys, held })
      : report;
    if (remember !== undefined && checked.verdict === "verified" && isJsonObject(checked.checkpoint)) {
      await replaceFile(terminal, remember, String(checked.checkpoint.note));
    }
    terminal.print(options.json ? JSON.stringify(checked) : verdictText(checked));
    return exitCodeOf(checked.verdict);
  },
});

/** Goes on where the gateway's time ran out, as long as that leads further. */
async function verifyInSteps(
  client: AdminClient,
  terminal: Terminal,
  asked: {
    readonly tenant: string;
    readonly expected: string | undefined;
    readonly since: string | undefined;
  },
): Promise<JsonObject> {
  let { since } = asked;
  for (let reached = 0, events = 0;;) {
    const query = { ...asked, since };
    const report = await client.watch("/audit/verify", query, SILENCE_TIMEOUT_MS, progressTo(terminal));
    const to = isJsonObject(report.verified_to) ? report.verified_to : {};
    if (report.verdict !== "unproven" || typeof to.size !== "number" || to.size <= reached) {
      return { ...report, events: events + Number(report.events ?? 0) };
    }
    [reached, since] = [to.size, String(to.note)];
    events += to.size - Number(report.first) + 1;
    terminal.complain(`Verified up to event ${reached} of ${report.last}, going on`);
  }
}

/** Tells of progress, a line for every part of the record: neither a log nor a person needs one a second. */
function progressTo(terminal: Terminal): (progress: JsonObject) => void {
  let told = 0;
  return ({ seq, last }) => {
    if (typeof seq !== "number" || typeof last !== "number" || seq - told < last / PROGRESS_PARTS) return;
    told = seq;
    if (last > 0) terminal.complain(`Recomputed up to event ${seq} of ${last}`);
  };
}

/** What the keys and the checkpoints of the person at the terminal say about a record that the gateway calls verified. */
async function checkedHere(
  client: AdminClient,
  report: JsonObject,
  { tenant, keys, held }: {
    readonly tenant: string;
    readonly keys: readonly NoteVerifier[];
    readonly held: readonly string[];
  },
): Promise<JsonObject> {
  const note = isJsonObject(report.checkpoint) ? String(report.checkpoint.note) : "";
  const origin = keys[0]?.name ?? "";
  try {
    if (!origin.endsWith(`/${tenant}`)) {
      throw new UsageError(`--key: expected a key of the log of "${tenant}", found one of "${origin}"`);
    }
    const { checkpoint } = openCheckpoint(note, { origin, keys });
    for (const text of held) {
      const earlier = openCheckpoint(text, { origin, keys }).checkpoint;
      if (!await continues(client, tenant, earlier, checkpoint)) {
        const found = `a log that does not begin with the checkpoint of size ${earlier.size}`;
        return brokenHere(report, earlier.size, `a log that continues "${origin}"`, found);
      }
    }
    return report;
  } catch (error) {
    if (!(error instanceof NoteError)) throw error;
    return brokenHere(report, 0, `a checkpoint signed by a key of "${origin}"`, error.message);
  }
}

async function continues(
  client: AdminClient,
  tenant: string,
  earlier: Checkpoint,
  now: Checkpoint,
): Promise<boolean> {
  if (earlier.size > now.size) return false;
  const answer = await client.get("/audit/consistency", { tenant, from: earlier.size, to: now.size });
  const proof = Array.isArray(answer.proof)
    ? answer.proof.map((hash) => Buffer.from(String(hash), "hex"))
    : [];
  return verifyConsistency(earlier, now, proof);
}

function brokenHere(report: JsonObject, seq: number, expected: string, found: string): JsonObject {
  return { ...report, verdict: "broken", broken: { seq, what: "checkpoint", expected, found } };
}

/** Size of a signed checkpoint that was not checked yet. */
export function sizeOfNote(note: string): number {
  try {
    return parseCheckpointText(parseNote(note).text).size;
  } catch (error) {
    if (error instanceof NoteError) throw new UsageError(`Expected a signed checkpoint: ${error.message}`);
    throw error;
  }
}

function verdictText(report: JsonObject): string {
  const { tenant, verdict, events, head, checkpoint, tail, broken, reason } = report;
  const of = `The audit record of "${tenant}"`;
  if (verdict === "verified") {
    const { hash } = isJsonObject(head) ? head : {};
    const signed = isJsonObject(checkpoint) ? `, signed up to event ${checkpoint.size}` : "";
    const gone = isJsonObject(report.pruned)
      ? `, up to event ${report.pruned.last} pruned (see event ${report.pruned.seq})`
      : "";
    const unsigned = isJsonObject(tail) && tail.events !== 0 ? `, ${tail.events} not signed yet` : "";
    return `${of} is verified: ${events} events, head ${hash}${signed}${unsigned}${gone}`;
  }
  if (verdict === "broken" && isJsonObject(broken)) {
    const { seq, what, expected, found } = broken;
    return `${of} is BROKEN at event ${seq} (${what}): expected ${expected}, found ${found}`;
  }
  return `${of} is neither proven nor broken: ${reason ?? "no reason given"}`;
}
