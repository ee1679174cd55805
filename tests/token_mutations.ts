/** Ways to damage a capability token, drawn from a seed so that a failure can be run again. */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { encodeBase64url } from "../core/base64url.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** A source of numbers that one seed determines. */
export interface Dice {
  /** An integer from 0 to `below` - 1. */
  roll(below: number): number;
  pick<Item>(items: readonly Item[]): Item;
}

/** The generator mulberry32: quality enough to choose places and characters. */
export function diceOf(seed: number): Dice {
  let state = seed >>> 0;
  const roll = (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  return {
    roll,
    pick: (items) => {
      const item = items[roll(items.length)];
      if (item === undefined) throw new RangeError("Expected items to pick from, got none");
      return item;
    },
  };
}

/** One way to change a token; `other` is another valid one. May return what it was given. */
export type Mutation = (dice: Dice, text: string, other: string) => string;

const ALPHABET = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
const FOREIGN = [..."+/=. \t\n%\0~é", "\u200b", "\ufeff", "\uff0e", "ſ", "K"];

/** All of them by name; a failure says which ones made the text. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flipBit: (dice, text) => {
    const at = dice.roll(text.length);
    return replace(text, at, 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << dice.roll(8))));
  },
  replaceCharacter: (dice, text) => replace(text, dice.roll(text.length), 1, dice.pick(ALPHABET)),
  deleteRun: (dice, text) => replace(text, dice.roll(text.length), 1 + dice.roll(8), ""),
  insertRun: (dice, text) => replace(text, dice.roll(text.length + 1), 0, run(dice, ALPHABET)),
  insertForeign: (dice, text) => replace(text, dice.roll(text.length + 1), 0, dice.pick(FOREIGN)),
  swapCharacters: (dice, text) => {
    const [a, b] = [dice.roll(text.length), dice.roll(text.length)];
    return replace(replace(text, a, 1, text[b]!), b, 1, text[a]!);
  },
  cutEnd: (dice, text) => text.slice(0, dice.roll(text.length)),
  swapParts: (dice, text) =>
    withParts(text, (parts) => {
      const [a, b] = [dice.roll(parts.length), dice.roll(parts.length)];
      [parts[a], parts[b]] = [parts[b]!, parts[a]!];
    }),
  dropPart: (dice, text) => withParts(text, (parts) => void parts.splice(dice.roll(parts.length), 1)),
  doublePart: (dice, text) =>
    withParts(text, (parts) => {
      parts.splice(dice.roll(parts.length), 0, dice.pick(parts));
    }),
  emptyPart: (dice, text) => withParts(text, (parts) => void parts.splice(dice.roll(parts.length), 0, "")),
  mergeParts: (dice, text) =>
    withParts(text, (parts) => {
      const at = dice.roll(parts.length);
      parts.splice(at, 2, parts.slice(at, at + 2).join(""));
    }),
  spliceParts: (dice, text, other) => {
    const [head, tail] = [text.split("."), other.split(".")];
    return [...head.slice(0, 1 + dice.roll(head.length)), ...tail.slice(dice.roll(tail.length))].join(".");
  },
  spliceCharacters: (dice, text, other) =>
    text.slice(0, dice.roll(text.length)) + other.slice(dice.roll(other.length)),
  foreignTag: (_, text, other) => `${bodyOf(text)}.${tagOf(other)}`,
  foreignBlock: (dice, text, other) =>
    withParts(text, (parts) => {
      parts[1 + dice.roll(parts.length - 1)] = dice.pick(other.split("."));
    }),
  padding: (dice, text) =>
    withParts(text, (parts) => {
      parts[dice.roll(parts.length)] += dice.pick(["=", "==", "A", "AA", "\n", " "]);
    }),
  spareBits: (dice, text) =>
    withParts(text, (parts) => {
      const at = 1 + dice.roll(parts.length - 1);
      const last = ALPHABET.indexOf(parts[at]!.at(-1)!);
      parts[at] = parts[at]!.slice(0, -1) + ALPHABET[last ^ (1 + dice.roll(3))];
    }),
  plainBase64: (_, text) => text.replaceAll("-", "+").replaceAll("_", "/"),
  percent: (dice, text) => {
    const at = dice.roll(text.length);
    return replace(text, at, 1, `%${text.charCodeAt(at).toString(16).padStart(2, "0")}`);
  },
  otherCase: (dice, text) => {
    const at = dice.roll(text.length);
    const character = text[at]!;
    return replace(text, at, 1, dice.pick([character.toUpperCase(), character.toLowerCase()]));
  },
  otherPrefix: (dice, text) =>
    dice.pick(["ig2.", "IG1.", "ig1..", "ig1", "", " ig1.", "ig1.ig1.", "Bearer ig1."]) + text.slice(4),
  changeMember: (dice, text) =>
    withBlock(dice, text, (block) => {
      const names = Object.keys(block);
      if (names.length > 0) block[dice.pick(names)] = dice.pick(VALUES);
    }),
  dropMember: (dice, text) =>
    withBlock(dice, text, (block) => {
      const names = Object.keys(block);
      if (names.length > 0) delete block[dice.pick(names)];
    }),
  addMember: (dice, text) =>
    withBlock(dice, text, (block) => {
      block[dice.pick(MEMBERS)] = dice.pick(VALUES);
    }),
  otherKid: (_, text) =>
    withParts(text, (parts) => {
      parts[1] = encode(decode(parts[1]!).replace('"kid":"k1"', '"kid":"k2"'));
    }),
  rewriteJson: (dice, text) =>
    withParts(text, (parts) => {
      const at = blockAt(dice, parts);
      parts[at] = encode(dice.pick(REWRITES)(decode(parts[at]!)));
    }),
};

/**
 * What somebody who holds tokens can compute: tags under the tags that he has, for blocks to which they do not belong.
 * Never followed or led by another mutation: together they could make a proper attenuation, which must pass.
 */
export const FORGERIES: Readonly<Record<string, Mutation>> = {
  retagReplaced: (dice, text) => {
    const parts = text.split(".").slice(0, -1);
    parts[parts.length - 1] = encode(dice.pick(["{}", '{"tools":["*"]}', '{"delegate":"x"}']));
    return `${parts.join(".")}.${macUnder(tagOf(text), parts.at(-1)!)}`;
  },
  retagTruncated: (dice, text) => {
    const parts = text.split(".").slice(0, -1);
    const kept = parts.slice(0, 1 + dice.roll(parts.length));
    return `${kept.join(".")}.${macUnder(tagOf(text), kept.at(-1)!)}`;
  },
  retagForeign: (_, text, other) =>
    `${bodyOf(text)}.${macUnder(tagOf(other), bodyOf(text).split(".").at(-1)!)}`,
};

const MEMBERS = [
  "tools",
  "exp",
  "sub",
  "tenant",
  "aud",
  "kid",
  "max_calls",
  "delegate",
  "deny_tools",
  "usr",
  "x",
];
const VALUES: readonly JsonValue[] = [0, 1, 4_000_000_000, "", "k2", "other", "*", [], ["*"], {}, null, true];

const REWRITES: readonly ((json: string) => string)[] = [
  (json) => ` ${json}`,
  (json) => `${json}\n`,
  (json) => json.replace(":", ": "),
  (json) => json.replace("{", '{"exp":4000000000,'),
  (json) => json.replace(/}$/, ',"exp":4000000000}'),
  (json) => json.replace(/"([a-z])/, (_, letter) => `"\\u00${letter.charCodeAt(0).toString(16)}`),
  (json) => `[${json}]`,
  (json) => json.replace(/(\d)([,}])/, "$1.0$2"),
  (json) => `\ufeff${json}`,
];

function run(dice: Dice, from: readonly string[]): string {
  return Array.from({ length: 1 + dice.roll(6) }, () => dice.pick(from)).join("");
}

function replace(text: string, at: number, count: number, by: string): string {
  return text.slice(0, at) + by + text.slice(at + count);
}

function withParts(text: string, change: (parts: string[]) => void): string {
  const parts = text.split(".");
  if (parts.length < 3) return text;
  change(parts);
  return parts.join(".");
}

function blockAt(dice: Dice, parts: readonly string[]): number {
  return 1 + dice.roll(Math.max(1, parts.length - 2));
}

function withBlock(dice: Dice, text: string, change: (block: Record<string, JsonValue>) => void): string {
  return withParts(text, (parts) => {
    const at = blockAt(dice, parts);
    const block = parsed(decode(parts[at]!));
    if (block === undefined) return;
    change(block as Record<string, JsonValue>);
    parts[at] = encode(JSON.stringify(block));
  });
}

function parsed(json: string): JsonObject | undefined {
  try {
    const value: JsonValue = JSON.parse(json);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined; // an earlier mutation broke it
  }
}

function encode(json: string): string {
  return encodeBase64url(new TextEncoder().encode(json));
}

function decode(block: string): string {
  return new TextDecoder().decode(Uint8Array.from(bytesOf(block)));
}

function bytesOf(base64url: string): Uint8Array {
  // Lenient on purpose: earlier mutations leave texts that the gateway's own decoder refuses.
  return new Uint8Array(Buffer.from(base64url, "base64url"));
}

function macUnder(tag: string, block: string): string {
  return createHmac("sha256", bytesOf(tag)).update(block).digest("base64url");
}

function bodyOf(text: string): string {
  return text.slice(0, Math.max(0, text.lastIndexOf(".")));
}

function tagOf(text: string): string {
  return text.slice(text.lastIndexOf(".") + 1);
}
