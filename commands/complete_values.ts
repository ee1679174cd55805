/** Names that only a gateway or a file knows, for completion. They are others' text, and land on a command line. */
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { AdminClient } from "./admin_client.ts";
import type { Suggestion, Terminal } from "./command.ts";
import type { Candidate } from "./complete_line.ts";
import { printableLine } from "./printable.ts";

/** Longer than this nobody waits for a TAB. */
const TIMEOUT_MS = 1000;
/** Words that no shell reads as anything but themselves; others are not offered. */
const HARMLESS = /^[A-Za-z0-9][A-Za-z0-9._@+:-]{0,127}$/;

const LISTS = {
  tenant: ["/tenants", "tenants", "name"],
  upstream: ["/upstreams", "upstreams", "name"],
  operator: ["/operators", "operators", "id"],
  "kill switch": ["/kill-switches", "kill_switches", "number"],
} as const;

/** The names; none when they cannot be had in time, whatever the reason. */
export async function lookUpNames(wanted: Suggestion, terminal: Terminal): Promise<readonly Candidate[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<readonly Candidate[]>((resolve) => timer = setTimeout(resolve, TIMEOUT_MS, []));
  const found = await Promise.race([namesOf(wanted, terminal).catch(() => []), late]);
  clearTimeout(timer);
  return found.filter(({ value }) => HARMLESS.test(value));
}

async function namesOf(wanted: Suggestion, terminal: Terminal): Promise<readonly Candidate[]> {
  if (wanted === "file") return [];
  if (wanted === "key id") return await keyIds(terminal);
  const [path, member, name] = LISTS[wanted];
  const { env } = terminal;
  const client = await AdminClient.open(terminal, env.INTENTGATE_URL === "" ? undefined : env.INTENTGATE_URL);
  const { rows } = await client.list(path, member, {}, 1000);
  return rows.map((row) => ({ value: String(row[name]), help: helpOf(row) }));
}

async function keyIds({ env, readTextFile }: Terminal): Promise<readonly Candidate[]> {
  const path = env.INTENTGATE_KEYS_FILE ?? `${env.INTENTGATE_DATA_DIR ?? "./.intentgate"}/keys.json`;
  const ring: unknown = JSON.parse(await readTextFile(path));
  const keys = isJsonObject(ring) && isJsonObject(ring.keys) ? Object.keys(ring.keys) : [];
  return keys.map((kid) => ({ value: kid, help: isJsonObject(ring) && ring.active === kid ? "active" : "" }));
}

/** What tells one row from another. */
function helpOf({ settings, role, reason, url }: JsonObject): string {
  const text = (isJsonObject(settings) ? settings.description : undefined) ?? role ?? reason ?? url ?? "";
  return printableLine(String(text)).slice(0, 80);
}
