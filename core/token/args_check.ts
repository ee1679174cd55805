/** Interprets an args schema against the arguments of a call. */
import { foldCase } from "../case_variants.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import {
  type ArgsNode,
  type ArrayNode,
  type NumberNode,
  type ObjectNode,
  type StringNode,
} from "./args_schema.ts";

/** Values looked at in one call, over all blocks; arguments that need more are refused. */
export const MAX_ARGS_VISITS = 100_000;
/** Comparisons of characters or `enum` values that count as one more visit. */
const STEPS_PER_VISIT = 64;
/** Longer strings match no `glob`. */
export const MAX_GLOB_CHARACTERS = 4096;

/** How many values one call may still have looked at; shared by all schemas of a call. */
export interface ArgsVisits {
  left: number;
}

/** The JSON pointer of the first argument that the schema does not accept; `undefined` when it accepts all. */
export function findRefusedArgument(
  schema: ObjectNode,
  args: JsonObject,
  visits: ArgsVisits,
): string | undefined {
  return refusedAt(schema, args, "", visits);
}

function refusedAt(
  node: ArgsNode,
  value: JsonValue | undefined,
  path: string,
  visits: ArgsVisits,
): string | undefined {
  visits.left--;
  if (visits.left < 0) return path;
  if (node.type === "object") return isJsonObject(value) ? refusedMember(node, value, path, visits) : path;
  if (node.type === "array") return Array.isArray(value) ? refusedItem(node, value, path, visits) : path;
  return acceptsScalar(node, value, visits) ? undefined : path;
}

function refusedMember(
  node: ObjectNode,
  value: JsonObject,
  path: string,
  visits: ArgsVisits,
): string | undefined {
  for (const name of node.required) {
    if (!Object.hasOwn(value, name)) return `${path}/${pointer(name)}`;
  }
  for (const name of Object.keys(value)) {
    const memberPath = `${path}/${pointer(name)}`;
    const member = node.properties.get(name);
    if (member === undefined) {
      visits.left -= 1 + foldingVisits(name);
      // An upstream that ignores case would read `Amount` where the schema bounds `amount`.
      if (visits.left < 0 || !node.allowsOthers || node.foldedNames.has(foldCase(name))) return memberPath;
      continue;
    }
    const refused = refusedAt(member, value[name], memberPath, visits);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** Letters beyond ASCII are normalised, which takes long for runs of marks that combine. */
function foldingVisits(name: string): number {
  // deno-lint-ignore no-control-regex
  return /^[\x00-\x7f]*$/.test(name) ? name.length / 1_024 : Math.min(name.length, 256) / 2;
}

function refusedItem(
  node: ArrayNode,
  items: readonly JsonValue[],
  path: string,
  visits: ArgsVisits,
): string | undefined {
  if (items.length > node.maxItems) return path;
  if (node.items === undefined) return undefined;
  for (const [index, item] of items.entries()) {
    const refused = refusedAt(node.items, item, `${path}/${index}`, visits);
    if (refused !== undefined) return refused;
  }
  return undefined;
}

function acceptsScalar(
  node: Exclude<ArgsNode, ObjectNode | ArrayNode>,
  value: JsonValue | undefined,
  visits: ArgsVisits,
): boolean {
  if (node.values !== undefined) {
    visits.left -= Math.floor(node.values.length / STEPS_PER_VISIT);
    if (!node.values.some((allowed) => allowed === value)) return false;
  }
  switch (node.type) {
    case "string":
      return typeof value === "string" && acceptsString(node, value, visits);
    case "number":
    case "integer":
      return typeof value === "number" && acceptsNumber(node, value);
    case "boolean":
      return typeof value === "boolean";
    case "null":
      return value === null;
  }
}

function acceptsString(node: StringNode, value: string, visits: ArgsVisits): boolean {
  if (node.minLength > 0 || node.maxLength !== Infinity) {
    visits.left -= Math.floor(value.length / STEPS_PER_VISIT);
    if (visits.left < 0) return false;
    let length = 0;
    for (const _ of value) length++;
    if (length < node.minLength || length > node.maxLength) return false;
  }
  if (node.glob === undefined) return true;
  if (value.length > MAX_GLOB_CHARACTERS) return false;
  visits.left -= Math.floor((value.length * node.glob.source.length) / STEPS_PER_VISIT);
  return visits.left >= 0 && node.glob.matches(value);
}

function acceptsNumber(node: NumberNode, value: number): boolean {
  return Number.isFinite(value) && (node.type === "number" || Number.isInteger(value)) &&
    value >= node.minimum && value <= node.maximum &&
    value > node.exclusiveMinimum && value < node.exclusiveMaximum;
}

function pointer(name: string): string {
  // Cutting may halve a surrogate pair, and no audit event can hold the half.
  return name.slice(0, 100).toWellFormed().replaceAll("~", "~0").replaceAll("/", "~1");
}
