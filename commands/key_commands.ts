/** Commands that rotate the key ring; what they do is in `keys.ts`, loaded when they run. */
import { command } from "./command.ts";

const DETAILS = [
  "Works on the file that INTENTGATE_KEYS_FILE names, else on keys.json in the data folder. Replicas read it when they " +
  "start. docs/reference/keys.md has the procedure of a rotation, for one replica and for several.",
] as const;
const KID = { name: "kid", help: "The key, by its id as keys list prints it.", suggests: "key id" } as const;
const JSON_OPTION = { kind: "flag", help: "Print one JSON document, for scripts." } as const;

export const keysList = command({
  name: "keys list",
  summary: "List the keys of the ring, and what the database knows of them",
  details: DETAILS,
  options: { json: JSON_OPTION },
  examples: [{ does: "which key is in use, and may the old one go?", line: "intentgate keys list" }],
  reads: "configuration",
  run: async ({ options }, terminal) => (await import("./keys.ts")).listKeys(terminal, options),
});

export const keysAdd = command({
  name: "keys add",
  summary: "Add a fresh key to the ring",
  details: DETAILS,
  options: {
    kid: { kind: "text", value: "ID", help: "Its id. Without it, one is made of the date." },
    activate: {
      kind: "flag",
      help:
        "Make new tokens under it at once. For a single replica only: with several, use keys activate later.",
    },
    json: JSON_OPTION,
  },
  examples: [
    { does: "the first step with several replicas", line: "intentgate keys add" },
    {
      does: "everything at once with a single replica, before its restart",
      line: "intentgate keys add --activate",
    },
  ],
  reads: "configuration",
  run: async ({ options }, terminal) => (await import("./keys.ts")).addToRing(terminal, options),
});

export const keysActivate = command({
  name: "keys activate",
  summary: "Choose the key under which new tokens are made",
  details: DETAILS,
  args: [KID],
  options: { json: JSON_OPTION },
  examples: [{
    does: "when every replica has the new ring",
    line: "intentgate keys activate k20260301-a1b2",
  }],
  reads: "configuration",
  run: async ({ options, args: [kid = ""] }, terminal) =>
    (await import("./keys.ts")).activateInRing(terminal, kid, options),
});

export const keysRetire = command({
  name: "keys retire",
  summary: "Remove a key from the ring and mark it as retired in the database",
  details: [
    ...DETAILS,
    "Tokens that were made under the key end with it. Needs the database; with the embedded one, stop the gateway first.",
  ],
  args: [KID],
  options: {
    yes: { kind: "flag", help: "Also when tokens that have not expired were made under it: they all end." },
    json: JSON_OPTION,
  },
  examples: [{ does: "when its tokens have expired", line: "intentgate keys retire k1" }],
  reads: "configuration",
  run: async ({ options, args: [kid = ""] }, terminal) =>
    (await import("./keys.ts")).retireKey(terminal, kid, options),
});
