/** Commands that rotate the key ring; `docs/reference/keys.md` has the procedure. */
import { Buffer } from "node:buffer";
import { GatewayError } from "../core/errors.ts";
import { activateKey, addKey, fingerprintOf, fingerprintsOf, withoutKeys } from "../core/key_rotation.ts";
import { type Command, parseOptions } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { readKeyFile, replaceKeyFile } from "./key_file.ts";
import { withKeyRecords } from "./key_records.ts";
import { keyRows } from "./key_rows.ts";
import { randomBytes } from "./random.ts";
import { printRows } from "./rows.ts";

const FILE_USAGE = [
  "  --json             print JSON",
  "",
  "Works on the file that INTENTGATE_KEYS_FILE names, else on <data dir>/keys.json. Replicas read it when they start.",
].join("\n");

export const keysList: Command = {
  name: "keys list",
  summary: "List the keys of the ring and what the database knows of them",
  usage: ["[--json]", "", FILE_USAGE].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, { json: { type: "boolean", default: false } });
    const configuration = await loadConfiguration(terminal);
    const { ring } = await readKeyFile(terminal, configuration.config.data_dir);
    let unreachable: string | null = null;
    const records = await withKeyRecords(configuration, (found) => Promise.resolve(found)).catch((error) => {
      if (!(error instanceof GatewayError)) throw error;
      unreachable = error.message;
      return undefined;
    });
    const keys = keyRows(ring, await fingerprintsOf(ring), records);
    if (values.json) {
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
  },
};

export const keysAdd: Command = {
  name: "keys add",
  summary: "Add a fresh key to the ring",
  usage: [
    "[options]",
    "",
    "  --kid NAME         its key id; default: made of the date",
    "  --activate         make it the active one at once: for a single replica only",
    FILE_USAGE,
  ].join("\n"),
  run: async (args, terminal) => {
    const { values } = parseOptions(args, {
      ...{ kid: { type: "string" }, activate: { type: "boolean", default: false } },
      json: { type: "boolean", default: false },
    });
    const { config } = await loadConfiguration(terminal);
    const { path, ring } = await readKeyFile(terminal, config.data_dir);
    const kid = values.kid ?? newKid(new Date());
    const added = addKey(ring, kid, randomBytes);
    await replaceKeyFile(path, values.activate ? activateKey(added, kid) : added);
    const fingerprint = await fingerprintOf(added, kid);
    const next = values.activate
      ? "Restart the gateway: new tokens are then made under it"
      : `Give the file to every replica and restart them; then: intentgate keys activate ${kid}`;
    terminal.print(
      values.json
        ? JSON.stringify({ kid, fingerprint, active: values.activate })
        : `Added key ${kid} (fingerprint ${fingerprint}) to ${path}\n${next}`,
    );
    return 0;
  },
};

export const keysActivate: Command = {
  name: "keys activate",
  summary: "Choose the key under which new tokens are made",
  usage: ["<kid> [options]", "", FILE_USAGE].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals: [kid = ""] } = parseOptions(
      args,
      { json: { type: "boolean", default: false } },
      ["kid"],
    );
    const { config } = await loadConfiguration(terminal);
    const { path, ring } = await readKeyFile(terminal, config.data_dir);
    await replaceKeyFile(path, activateKey(ring, kid));
    terminal.print(
      values.json
        ? JSON.stringify({ kid, active: true })
        : `Key ${kid} is the active one in ${path}\nRestart the replicas that read this file`,
    );
    return 0;
  },
};

export const keysRetire: Command = {
  name: "keys retire",
  summary: "Remove a key from the ring and mark it retired in the database",
  usage: [
    "<kid> [options]",
    "",
    "  --yes              also when tokens that have not expired were minted under it: they all end",
    FILE_USAGE,
    "Needs the database. With the embedded one, stop the gateway first.",
  ].join("\n"),
  run: async (args, terminal) => {
    const { values, positionals: [kid = ""] } = parseOptions(args, {
      ...{ yes: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
    }, ["kid"]);
    const configuration = await loadConfiguration(terminal);
    const { path, ring } = await readKeyFile(terminal, configuration.config.data_dir);
    const left = withoutKeys(ring, new Set([kid]));
    return await withKeyRecords(configuration, async ({ known, unexpiredTokens, retire }) => {
      if (!ring.keys.has(kid) && !known.has(kid)) {
        throw new GatewayError("key_unusable", `Neither the key ring nor the database has a key "${kid}"`);
      }
      const tokens = unexpiredTokens.get(kid) ?? 0;
      const isNews = known.get(kid)?.retiredAt === undefined;
      if (tokens > 0 && isNews && !values.yes) {
        terminal.complain(
          `Key "${kid}" has ${tokens} tokens that have not expired; --yes ends them, and its sessions`,
        );
        return 1;
      }
      await retire(kid); // first: a ring that still has it then starts without using it
      if (ring.keys.has(kid)) await replaceKeyFile(path, left);
      terminal.print(
        values.json
          ? JSON.stringify({ kid, retired: true, unexpired_tokens: tokens })
          : `Retired key ${kid}\nReplicas stop using it when they restart; remove it from their rings`,
      );
      return 0;
    });
  },
};

/** Date, so that people see its age, and four hex digits, so that no retired key had the same id. */
function newKid(now: Date): string {
  return `k${now.toISOString().slice(0, 10).replaceAll("-", "")}-${
    Buffer.from(randomBytes(2)).toString("hex")
  }`;
}
