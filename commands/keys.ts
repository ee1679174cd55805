/** What the commands do that rotate the key ring; `docs/reference/keys.md` has the procedure. */
import { Buffer } from "node:buffer";
import { GatewayError } from "../core/errors.ts";
import { activateKey, addKey, fingerprintOf, fingerprintsOf, withoutKeys } from "../core/key_rotation.ts";
import type { ExitCode, Terminal } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { readKeyFile, replaceKeyFile } from "./key_file.ts";
import { withKeyRecords } from "./key_records.ts";
import { keyRows } from "./key_rows.ts";
import { randomBytes } from "./random.ts";
import { printRows } from "./rows.ts";

interface JsonOption {
  readonly json: boolean;
}

/** Prints the keys of the ring and of the database. */
export async function listKeys(terminal: Terminal, options: JsonOption): Promise<ExitCode> {
  const configuration = await loadConfiguration(terminal);
  const { ring } = await readKeyFile(terminal, configuration.config.data_dir);
  let unreachable: string | null = null;
  const records = await withKeyRecords(configuration, (found) => Promise.resolve(found)).catch((error) => {
    if (!(error instanceof GatewayError)) throw error;
    unreachable = error.message;
    return undefined;
  });
  const keys = keyRows(ring, await fingerprintsOf(ring), records);
  if (options.json) {
    terminal.print(JSON.stringify({ keys, database: unreachable ?? "reachable" }));
    return 0;
  }
  printRows(
    terminal,
    ["KID", "FINGERPRINT", "RING", "DATABASE", "UNEXPIRED TOKENS"],
    keys.map((
      key,
    ) => [key.kid, key.fingerprint, key.ring, key.database, String(key.unexpired_tokens ?? "?")]),
  );
  if (unreachable !== null) terminal.complain(`The database was not asked: ${unreachable}`);
  return 0;
}

/** Adds a key, and activates it when asked to. */
export async function addToRing(
  terminal: Terminal,
  options: JsonOption & { readonly kid: string | undefined; readonly activate: boolean },
): Promise<ExitCode> {
  const { config } = await loadConfiguration(terminal);
  const { path, ring } = await readKeyFile(terminal, config.data_dir);
  const kid = options.kid ?? newKid(new Date());
  const added = addKey(ring, kid, randomBytes);
  await replaceKeyFile(path, options.activate ? activateKey(added, kid) : added);
  const fingerprint = await fingerprintOf(added, kid);
  const next = options.activate
    ? "Restart the gateway: new tokens are then made under it"
    : `Give the file to every replica and restart them; then: intentgate keys activate ${kid}`;
  terminal.print(
    options.json
      ? JSON.stringify({ kid, fingerprint, active: options.activate })
      : `Added key ${kid} (fingerprint ${fingerprint}) to ${path}\n${next}`,
  );
  return 0;
}

/** Makes a key of the ring the active one. */
export async function activateInRing(
  terminal: Terminal,
  kid: string,
  options: JsonOption,
): Promise<ExitCode> {
  const { config } = await loadConfiguration(terminal);
  const { path, ring } = await readKeyFile(terminal, config.data_dir);
  await replaceKeyFile(path, activateKey(ring, kid));
  terminal.print(
    options.json
      ? JSON.stringify({ kid, active: true })
      : `Key ${kid} is the active one in ${path}\nRestart the replicas that read this file`,
  );
  return 0;
}

/** Takes a key out of the ring, after the database knows that it is retired. */
export async function retireKey(
  terminal: Terminal,
  kid: string,
  options: JsonOption & { readonly yes: boolean },
): Promise<ExitCode> {
  const configuration = await loadConfiguration(terminal);
  const { path, ring } = await readKeyFile(terminal, configuration.config.data_dir);
  const left = withoutKeys(ring, new Set([kid]));
  return await withKeyRecords(configuration, async ({ known, unexpiredTokens, retire }) => {
    if (!ring.keys.has(kid) && !known.has(kid)) {
      throw new GatewayError("key_unusable", `Neither the key ring nor the database has a key "${kid}"`);
    }
    const tokens = unexpiredTokens.get(kid) ?? 0;
    const isNews = known.get(kid)?.retiredAt === undefined;
    if (tokens > 0 && isNews && !options.yes) {
      terminal.complain(
        `Key "${kid}" has ${tokens} tokens that have not expired; --yes ends them, and its sessions`,
      );
      return 1;
    }
    await retire(kid); // first: a ring that still has it then starts without using it
    if (ring.keys.has(kid)) await replaceKeyFile(path, left);
    terminal.print(
      options.json
        ? JSON.stringify({ kid, retired: true, unexpired_tokens: tokens })
        : `Retired key ${kid}\nReplicas stop using it when they restart; remove it from their rings`,
    );
    return 0;
  });
}

/** Date, so that people see its age, and four hex digits, so that no retired key had the same id. */
function newKid(now: Date): string {
  return `k${now.toISOString().slice(0, 10).replaceAll("-", "")}-${
    Buffer.from(randomBytes(2)).toString("hex")
  }`;
}
