/**
 * What is odd about a tool's definition: shown to the operator, and proof of nothing. Every pattern below is explained in
 * `docs/reference/tool_pins.md`.
 */
import { LOOK_ALIKES } from "./confusables.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

/** One odd thing. */
export interface ToolFlag {
  readonly kind:
    | "invisible_character"
    | "direction_character"
    | "control_character"
    | "look_alike_name"
    | "hidden_instruction"
    | "encoded_text"
    | "long_text";
  /** `danger` has no honest use in a definition; `notice` has. */
  readonly severity: "danger" | "notice";
  /** JSON pointer into the definition. */
  readonly pointer: string;
  /** UTF-16 code units from the start of that text. */
  readonly position: number;
  /** Says what it is, with code points spelled out. */
  readonly reason: string;
}

/** Most flags of one tool: more say nothing new. */
export const MAX_FLAGS = 50;
/** Descriptions longer than this hide things by their length alone. */
const LONG_TEXT = 4_000;
/** Text that is looked through for instructions: what comes later is flagged by its length. */
const MAX_SEARCHED = 20_000;

/**
 * Sentences that speak to a model and not about the tool. From published tool-poisoning attacks: Invariant Labs, "MCP
 * Security Notification: Tool Poisoning Attacks" (2025), and OWASP LLM01.
 */
const INSTRUCTIONS: readonly (readonly [RegExp, string])[] = [
  [
    /\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+)?(?:the\s+|your\s+)?(?:previous|prior|earlier|above|other|system)\b/giu,
    "tells the model to ignore what it was told before",
  ],
  [
    /\b(?:do\s+not|don'?t|never)\s+(?:tell|inform|mention|show|reveal|notify|ask)\b.{0,40}\buser\b/giu,
    "tells the model to keep something from the user",
  ],
  [
    /\bwithout\s+(?:telling|informing|asking|notifying)\s+(?:the\s+)?user\b/giu,
    "tells the model to keep something from the user",
  ],
  [
    /<\/?\s*(?:important|system|secret|instructions?|assistant|hidden|admin)\s*>/giu,
    "has a tag that imitates instructions of the system",
  ],
  [/\[\s*(?:INST|SYSTEM|IMPORTANT)\s*\]/gu, "has a mark that imitates instructions of the system"],
  [
    /\b(?:before|after|whenever|instead\s+of)\s+(?:using|calling|you\s+(?:use|call))\s+(?:this|any|another|other|the)\b.{0,60}\b(?:must|first|always|read|call|send)\b/giu,
    "tells the model what to do around other calls",
  ],
  [
    /(?:~\/|\/etc\/|\/home\/)[\w./-]*|\bid_rsa\b|\.ssh\b|\.env\b|\bmcp\.json\b/gu,
    "names files that hold secrets or settings",
  ],
  [/<!--[\s\S]{0,2000}?-->/gu, "has a comment that a rendered description does not show"],
];

const ENCODED = /[A-Za-z0-9+/_-]{120,}={0,2}/gu;

/** Everything odd about a definition, as its pinned document gives it; `others` are names of further tools. */
export function toolFlags(
  definition: JsonObject,
  others: readonly { readonly upstream: string; readonly name: string }[] = [],
): readonly ToolFlag[] {
  const flags: ToolFlag[] = [];
  if (typeof definition.name === "string") flags.push(...lookAlikes(definition.name, others));
  walk(definition, "", flags);
  return flags.slice(0, MAX_FLAGS);
}

/** Whether a definition has something that no honest definition has. */
export function isSuspicious(definition: JsonObject): boolean {
  return toolFlags(definition).some(({ severity }) => severity === "danger");
}

/**
 * What a name looks like: two names of one skeleton can be taken for each other. Follows UTS #39 (NFKC, confusables of
 * Unicode), and reads capitals as small letters, `-` as `_`, `0` as `o`, `1` and `i` as `l`, and invisible characters not
 * at all.
 */
export function nameSkeleton(name: string): string {
  let skeleton = "";
  for (const char of name.slice(0, 1_000).normalize("NFKC")) {
    if (isInvisible(char.codePointAt(0)!)) continue;
    const like = (PROTOTYPES.get(char) ?? char).toLowerCase();
    skeleton += ASCII_PROTOTYPES.get(like) ?? like;
  }
  return skeleton.normalize("NFKC");
}

const PROTOTYPES: ReadonlyMap<string, string> = new Map(
  LOOK_ALIKES.flatMap(([prototype, likes]) => [...likes].map((like) => [like, prototype] as const)),
);
const ASCII_PROTOTYPES: ReadonlyMap<string, string> = new Map([
  ["-", "_"],
  ["0", "o"],
  ["1", "l"],
  ["i", "l"],
]);

function lookAlikes(
  name: string,
  others: readonly { readonly upstream: string; readonly name: string }[],
): readonly ToolFlag[] {
  const skeleton = nameSkeleton(name);
  return others.filter((other) => other.name !== name && nameSkeleton(other.name) === skeleton).map((
    other,
  ) => ({
    kind: "look_alike_name",
    severity: "notice",
    pointer: "/name",
    position: 0,
    reason: `looks like "${spelled(other.name)}" of upstream "${other.upstream}"`,
  }));
}

function walk(value: JsonValue | undefined, pointer: string, flags: ToolFlag[]): void {
  if (flags.length >= MAX_FLAGS) return;
  if (typeof value === "string") inspect(value, pointer, flags);
  else if (Array.isArray(value)) value.forEach((member, index) => walk(member, `${pointer}/${index}`, flags));
  else if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      const below = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      inspectCharacters(name, below, flags);
      walk(member, below, flags);
    }
  }
}

function inspect(text: string, pointer: string, flags: ToolFlag[]): void {
  inspectCharacters(text, pointer, flags);
  const searched = text.slice(0, MAX_SEARCHED);
  for (const [pattern, reason] of INSTRUCTIONS) {
    for (const match of searched.matchAll(pattern)) {
      flags.push({ kind: "hidden_instruction", severity: "notice", pointer, position: match.index, reason });
      if (flags.length >= MAX_FLAGS) return;
    }
  }
  for (const match of searched.matchAll(ENCODED)) {
    const reason = `has ${match[0].length} characters that may be encoded text`;
    flags.push({ kind: "encoded_text", severity: "notice", pointer, position: match.index, reason });
  }
  if (text.length > LONG_TEXT) {
    const reason = `is ${text.length} characters long, more than ${LONG_TEXT}`;
    flags.push({ kind: "long_text", severity: "notice", pointer, position: LONG_TEXT, reason });
  }
}

/** Most texts are plain: one look tells. */
const PLAIN = /^[\t\n\r\x20-\x7e\u00a0-\u00ac\u00ae-\u02ff\u0370-\u05ff\u3040-\u30ff\u4e00-\u9fff]*$/;

function inspectCharacters(text: string, pointer: string, flags: ToolFlag[]): void {
  if (PLAIN.test(text)) return;
  let position = 0;
  let before = 0;
  let tags = 0;
  const chars = [...text];
  for (const [index, char] of chars.entries()) {
    const code = char.codePointAt(0)!;
    const after = chars[index + 1]?.codePointAt(0) ?? 0;
    // England's flag is a black flag, five letters as tags, and U+E007F: more tags spell something else.
    tags = isTag(code) && (tags > 0 || before === 0x1f3f4) ? tags + 1 : 0;
    const flag = isTag(code) && tags > 0 && tags <= 7 ? undefined : characterFlag(code, before, after);
    if (flag !== undefined) {
      const reason = `has ${codePoint(code)}, ${flag.reason}`;
      flags.push({ ...flag, pointer, position, reason });
      if (flags.length >= MAX_FLAGS) return;
    }
    before = code;
    position += char.length;
  }
}

type CharacterFlag = Pick<ToolFlag, "kind" | "severity" | "reason">;

function characterFlag(code: number, before: number, after: number): CharacterFlag | undefined {
  if (isTag(code)) {
    return {
      kind: "invisible_character",
      severity: "danger",
      reason: "a tag character, which shows nothing and spells text that a model reads",
    };
  }
  if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) {
    return {
      kind: "direction_character",
      severity: "danger",
      reason: "which changes the direction in which text is shown",
    };
  }
  if ((code < 0x20 && code !== 9 && code !== 10 && code !== 13) || (code >= 0x7f && code <= 0x9f)) {
    return { kind: "control_character", severity: "danger", reason: "a control character" };
  }
  if (!isInvisible(code)) return undefined;
  const joins = code === 0x200d || code === 0x200c || (code >= 0xfe00 && code <= 0xfe0f);
  // Emoji and scripts that need joiners have them between characters that are not ASCII; U+FE0F also follows digits.
  if (joins && (before > 0x7f || code === 0xfe0f) && !isInvisible(before === 0xfe0f ? 0 : before)) {
    if (code >= 0xfe00 || after > 0x7f) return undefined;
  }
  return { kind: "invisible_character", severity: "notice", reason: "which shows nothing" };
}

function isTag(code: number): boolean {
  return code >= 0xe0000 && code <= 0xe007f;
}

/** Default-ignorable characters of Unicode (DerivedCoreProperties.txt), and the blanks of Hangul and Braille. */
function isInvisible(code: number): boolean {
  return code > 0xac &&
    (code === 0xad || code === 0x34f || code === 0x61c || code === 0x115f || code === 0x1160 ||
      code === 0x17b4 || code === 0x17b5 || (code >= 0x180b && code <= 0x180f) ||
      (code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
      (code >= 0x2060 && code <= 0x206f) || code === 0x2800 || code === 0x3164 ||
      (code >= 0xfe00 && code <= 0xfe0f) || code === 0xfeff || code === 0xffa0 ||
      (code >= 0xfff0 && code <= 0xfff8) || (code >= 0x1bca0 && code <= 0x1bca3) ||
      (code >= 0x1d173 && code <= 0x1d17a) || (code >= 0xe0000 && code <= 0xe0fff));
}

/** A name with everything but ASCII as code points, so that the difference shows. */
function spelled(name: string): string {
  return name.slice(0, 100).replace(/[^\x20-\x7e]/gu, (char) => `<${codePoint(char.codePointAt(0)!)}>`);
}

function codePoint(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
