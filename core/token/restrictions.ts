/** What a block may restrict: the table of names, who enforces each, and how each value is read. */
import { type Glob, nameGlob, uriGlob } from "../glob.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { type ObjectNode, parseArgsSchema } from "./args_schema.ts";
import { type ScopeEntry, scopeEntry } from "./scope_entry.ts";
import { TokenError } from "./token_error.ts";

/**
 * Every restriction, and the check that enforces it. A token with a restriction that is not here, or whose check is not
 * configured, is refused: a promise that nobody keeps must not look like one that somebody keeps.
 */
export const RESTRICTIONS = {
  exp: "capability",
  nbf: "capability",
  upstreams: "capability",
  methods: "capability",
  tools: "capability",
  deny_tools: "capability",
  prompts: "capability",
  resources: "capability",
  args: "capability",
  max_calls: "budget",
  rate: "budget",
  max_cost: "budget",
  cnf: "identity",
} as const;
export type RestrictionName = keyof typeof RESTRICTIONS;

/** Restrictions that the capability check hands to the check that enforces them. */
export const HANDED_ON = ["max_calls", "rate", "max_cost", "cnf"] as const;

const MAX_ENTRIES = 256;
const MAX_ENTRY_CHARACTERS = 1024;
const MAX_COUNT = 1_000_000_000;
/** The last second of the year 9999. */
const MAX_TIME_SECONDS = 253_402_300_799;

/** The restrictions of one block, ready to evaluate. An absent one restricts nothing. */
export interface Restrictions {
  readonly names: readonly RestrictionName[];
  readonly exp: number | undefined;
  readonly nbf: number | undefined;
  readonly upstreams: readonly Glob[] | undefined;
  readonly methods: readonly Glob[] | undefined;
  readonly tools: readonly ScopeEntry[] | undefined;
  readonly denyTools: readonly ScopeEntry[];
  readonly prompts: readonly ScopeEntry[] | undefined;
  readonly resources: readonly Glob[] | undefined;
  readonly args: readonly ToolArguments[];
  /** What other checks enforce, by restriction name, each as an object of its parts. */
  readonly handedOn: ReadonlyMap<string, JsonObject>;
}

/** One key of `args` and what the arguments of the tools it concerns must be. */
export interface ToolArguments {
  readonly entry: ScopeEntry;
  readonly schema: ObjectNode;
}

/** True for a name in the table. */
export function isRestriction(name: string): name is RestrictionName {
  return Object.hasOwn(RESTRICTIONS, name);
}

/** Reads the restrictions among a block's members; throws `TokenError` for a value of the wrong form. */
export function parseRestrictions(block: JsonObject): Restrictions {
  const scope = (name: string) => list(block, name)?.map(scopeEntry);
  const handedOn = new Map<string, JsonObject>();
  for (const name of HANDED_ON) {
    if (block[name] !== undefined) handedOn.set(name, readHandedOn(name, block[name]));
  }
  return {
    names: Object.keys(block).filter(isRestriction),
    exp: time(block, "exp"),
    nbf: time(block, "nbf"),
    upstreams: list(block, "upstreams")?.map(nameGlob),
    methods: list(block, "methods")?.map(nameGlob),
    tools: scope("tools"),
    denyTools: scope("deny_tools") ?? [],
    prompts: scope("prompts"),
    resources: list(block, "resources")?.map(uriGlob),
    args: readArgs(block.args),
    handedOn,
  };
}

/** A time in whole epoch seconds; `undefined` when the member is absent. */
export function time(block: JsonObject, name: string): number | undefined {
  const value = block[name];
  return value === undefined ? undefined : integer(value, name, 0, MAX_TIME_SECONDS);
}

function list(block: JsonObject, name: string): readonly string[] | undefined {
  const value = block[name];
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length > MAX_ENTRIES || !value.every(isEntry)) {
    throw new TokenError(
      `"${name}" must be a list of at most ${MAX_ENTRIES} names without control characters`,
    );
  }
  return value;
}

function isEntry(value: JsonValue | undefined): value is string {
  return typeof value === "string" && value.length <= MAX_ENTRY_CHARACTERS &&
    /^[^\p{Cc}\p{Zl}\p{Zp}]+$/u.test(value);
}

function readArgs(value: JsonValue | undefined): readonly ToolArguments[] {
  if (value === undefined) return [];
  if (!isJsonObject(value)) throw new TokenError('"args" must be an object of schemas by tool');
  return Object.entries(value).map(([key, schema]) => {
    if (!isEntry(key)) throw new TokenError('A key of "args" must be a tool name or glob');
    return { entry: scopeEntry(key), schema: parseArgsSchema(schema) };
  });
}

function readHandedOn(name: typeof HANDED_ON[number], value: JsonValue): JsonObject {
  if (name === "max_calls") return { max: integer(value, name, 0, MAX_COUNT) };
  if (!isJsonObject(value)) throw new TokenError(`"${name}" must be an object`);
  switch (name) {
    case "rate":
      closed(value, name, ["calls", "per_seconds"]);
      integer(value.calls, "rate.calls", 0, MAX_COUNT);
      integer(value.per_seconds, "rate.per_seconds", 1, MAX_COUNT);
      return value;
    case "max_cost":
      closed(value, name, ["amount", "currency", "per_seconds"]);
      matching(value.amount, "max_cost.amount", /^(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?$/);
      matching(value.currency, "max_cost.currency", /^[A-Z]{3}$/);
      if (value.per_seconds !== undefined) {
        integer(value.per_seconds, "max_cost.per_seconds", 1, MAX_COUNT);
      }
      return value;
    case "cnf":
      closed(value, name, ["jkt"]);
      matching(value.jkt, "cnf.jkt", /^[A-Za-z0-9_-]{43}$/);
      return value;
  }
}

function closed(value: JsonObject, name: string, members: readonly string[]): void {
  for (const member of Object.keys(value)) {
    if (!members.includes(member)) throw new TokenError(`"${name}" has an unknown member "${member}"`);
  }
}

function matching(value: JsonValue | undefined, name: string, pattern: RegExp): void {
  if (typeof value !== "string" || !pattern.test(value)) {
    throw new TokenError(`"${name}" must be a string that matches ${pattern.source}`);
  }
}

function integer(value: JsonValue | undefined, name: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw new TokenError(`"${name}" must be an integer from ${min} to ${max}`);
  }
  return value;
}
