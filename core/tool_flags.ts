/**
 * What is odd about a tool's definition: shown to the operator, and proof of nothing. Everything below is explained in
 * `docs/reference/tool_pins.md`. Every search takes time that grows with the text only: definitions are what strangers
 * wrote, and they are looked through on the thread that serves all calls.
 */
import { codePoint, visitHiddenCharacters } from "./hidden_characters.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import type { ToolNames } from "./name_skeleton.ts";

/** One odd thing. */
export interface ToolFlag {
  readonly kind:
    | "invisible_character"
    | "direction_character"
    | "control_character"
    | "look_alike_name"
    | "same_name"
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

/** Most flags of one tool, and of each severity: more say nothing new, and a flood of notices hides no danger. */
export const MAX_FLAGS = 50;
/** Most look-alikes that are named. */
const MAX_LOOK_ALIKES = 10;
/** Descriptions longer than this hide things by their length alone. */
const LONG_TEXT = 4_000;
/** Text that is looked through for instructions: what comes later is flagged by its length. */
const MAX_SEARCHED = 20_000;
/** Base64 that is shorter is an identifier. */
const ENCODED_LENGTH = 120;

/**
 * Sentences that speak to a model and not about the tool. From published tool-poisoning attacks: Invariant Labs, "MCP
 * Security Notification: Tool Poisoning Attacks" (2025), and OWASP LLM01. No repetition without a bound, so that a place
 * where one begins costs a bounded number of steps.
 */
const INSTRUCTIONS: readonly (readonly [RegExp, string])[] = [
  [
    /\b(?:ignore|disregard|forget|override)\s{1,50}(?:(?:all|any)\s{1,50})?(?:(?:the|your)\s{1,50})?(?:previous|prior|earlier|above|other|system)\b/giu,
    "tells the model to ignore what it was told before",
  ],
  [
    /\b(?:do\s{1,50}not|don'?t|never)\s{1,50}(?:tell|inform|mention|show|reveal|notify|ask)\b.{0,40}\buser\b/giu,
    "tells the model to keep something from the user",
  ],
  [
    /\bwithout\s{1,50}(?:telling|informing|asking|notifying)\s{1,50}(?:the\s{1,50})?user\b/giu,
    "tells the model to keep something from the user",
  ],
  [
    /<\/?\s{0,50}(?:important|system|secret|instructions?|assistant|hidden|admin)\s{0,50}>/giu,
    "has a tag that imitates instructions of the system",
  ],
  [/\[\s{0,50}(?:INST|SYSTEM|IMPORTANT)\s{0,50}\]/gu, "has a mark that imitates instructions of the system"],
  [
    /\b(?:before|after|whenever|instead\s{1,50}of)\s{1,50}(?:using|calling|you\s{1,50}(?:use|call))\s{1,50}(?:this|any|another|other|the)\b.{0,60}\b(?:must|first|always|read|call|send)\b/giu,
    "tells the model what to do around other calls",
  ],
  [
    /~\/|\/etc\/|\/home\/|\bid_rsa\b|\.ssh\b|\.env\b|\bmcp\.json\b/gu,
    "names files that hold secrets or settings",
  ],
];

/** The tool that flags are asked for, and the names of others. */
export interface FlagContext {
  readonly upstream: string;
  readonly names: ToolNames;
}

/** Everything odd about a definition, as its pinned document gives it; danger first. */
export function toolFlags(definition: JsonObject, context?: FlagContext): readonly ToolFlag[] {
  const flags = new FlagList();
  if (context !== undefined && typeof definition.name === "string") {
    for (const flag of nameFlags(definition.name, context)) flags.push(flag);
  }
  visitTexts(definition, "", (text, pointer, isName) => {
    const wantsNotices = () => !flags.hasEnoughNotices;
    visitHiddenCharacters(text, (found) => flags.push({ ...found, pointer }), wantsNotices);
    if (!isName) inspect(text, pointer, flags);
    return !flags.isFull;
  });
  return flags.all();
}

/** Whether a definition has a character that no honest definition has. */
export function isSuspicious(definition: JsonObject): boolean {
  let isFound = false;
  const visit = () => {
    isFound = true;
    return false;
  };
  visitTexts(definition, "", (text) => {
    visitHiddenCharacters(text, visit, () => false);
    return !isFound;
  });
  return isFound;
}

class FlagList {
  readonly #danger: ToolFlag[] = [];
  readonly #notice: ToolFlag[] = [];

  /** Whether more are wanted. */
  push(flag: ToolFlag): boolean {
    const list = flag.severity === "danger" ? this.#danger : this.#notice;
    if (list.length < MAX_FLAGS) list.push(flag);
    return !this.isFull;
  }

  get hasEnoughNotices(): boolean {
    return this.#notice.length >= MAX_FLAGS;
  }

  get isFull(): boolean {
    return this.#danger.length >= MAX_FLAGS;
  }

  all(): readonly ToolFlag[] {
    return [...this.#danger, ...this.#notice].slice(0, MAX_FLAGS);
  }
}

function nameFlags(name: string, { upstream, names }: FlagContext): readonly ToolFlag[] {
  const at = { severity: "notice", pointer: "/name", position: 0 } as const;
  const like = names.like(name);
  const flags: ToolFlag[] = like.filter((other) => other.name !== name).slice(0, MAX_LOOK_ALIKES).map((
    other,
  ) => ({
    ...{ kind: "look_alike_name", ...at },
    reason: `looks like "${spelled(other.name)}" of upstream "${other.upstream}"`,
  }));
  const elsewhere = like.filter((other) => other.name === name && other.upstream !== upstream);
  if (elsewhere.length === 0) return flags;
  const listed = elsewhere.slice(0, MAX_LOOK_ALIKES).map((other) => `"${other.upstream}"`).join(", ");
  const more = elsewhere.length > MAX_LOOK_ALIKES ? ` and ${elsewhere.length - MAX_LOOK_ALIKES} more` : "";
  const reason = `is the name of another tool, too: of upstream ${listed}${more}`;
  return [...flags, { ...{ kind: "same_name", ...at }, reason }];
}

/** Every name and text below a value, until `visit` answers `false`; whether it never did. */
function visitTexts(
  value: JsonValue | undefined,
  pointer: string,
  visit: (text: string, pointer: string, isName: boolean) => boolean,
): boolean {
  if (typeof value === "string") return visit(value, pointer, false);
  if (Array.isArray(value)) {
    return value.every((member, index) => visitTexts(member, `${pointer}/${index}`, visit));
  }
  if (!isJsonObject(value)) return true;
  return Object.entries(value).every(([name, member]) => {
    const below = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return visit(name, below, true) && visitTexts(member, below, visit);
  });
}

function inspect(text: string, pointer: string, flags: FlagList): void {
  if (flags.hasEnoughNotices) return;
  const notice = (kind: ToolFlag["kind"], position: number, reason: string) => {
    flags.push({ kind, severity: "notice", pointer, position, reason });
    return !flags.hasEnoughNotices;
  };
  const searched = text.slice(0, MAX_SEARCHED);
  for (const [pattern, reason] of INSTRUCTIONS) {
    for (const { index } of searched.matchAll(pattern)) {
      if (!notice("hidden_instruction", index, reason)) return;
    }
  }
  visitComments(
    searched,
    (position) =>
      notice("hidden_instruction", position, "has a comment that a rendered description does not show"),
  );
  for (const { 0: run, index } of searched.matchAll(/[A-Za-z0-9+/_-]+={0,2}/gu)) {
    if (run.length < ENCODED_LENGTH) continue;
    if (!notice("encoded_text", index, `has ${run.length} characters that may be encoded text`)) return;
  }
  if (text.length > LONG_TEXT) {
    notice("long_text", LONG_TEXT, `is ${text.length} characters long, more than ${LONG_TEXT}`);
  }
}

/** Where comments of HTML begin that also end. */
function visitComments(text: string, visit: (position: number) => boolean): void {
  for (let start = text.indexOf("<!--"); start >= 0;) {
    const end = text.indexOf("-->", start + 4);
    if (end < 0 || !visit(start)) return;
    start = text.indexOf("<!--", end + 3);
  }
}

/** A name with everything but ASCII as code points, so that the difference shows. */
function spelled(name: string): string {
  return name.slice(0, 100).replace(/[^\x20-\x7e]/gu, (char) => `<${codePoint(char.codePointAt(0)!)}>`);
}
