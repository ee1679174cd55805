/** The closed subset of JSON Schema in `args`: read into nodes once, later interpreted by `args_check.ts`. */
import { type Glob, nameGlob } from "../glob.ts";
import { foldCase } from "../case_variants.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { TokenError } from "./token_error.ts";

/** Most schema nodes (every `type`) in the schema of one `args` key. */
export const MAX_ARGS_NODES = 64;

type Scalar = string | number | boolean | null;

interface NodeBase {
  /** Allowed values; `const` is the same as an `enum` of one. */
  readonly values: readonly Scalar[] | undefined;
}

/** One node of an args schema. */
export type ArgsNode =
  | ObjectNode
  | ArrayNode
  | StringNode
  | NumberNode
  | (NodeBase & { readonly type: "boolean" | "null" });

/** An object: constrained members, and which must be there. */
export interface ObjectNode extends NodeBase {
  readonly type: "object";
  readonly properties: ReadonlyMap<string, ArgsNode>;
  readonly required: readonly string[];
  readonly allowsOthers: boolean;
  /** The property names without case, to find arguments that a case-blind upstream would read as one of them. */
  readonly foldedNames: ReadonlySet<string>;
}

/** An array whose items all follow one node. */
export interface ArrayNode extends NodeBase {
  readonly type: "array";
  readonly items: ArgsNode | undefined;
  readonly maxItems: number;
}

/** A string; lengths count code points. */
export interface StringNode extends NodeBase {
  readonly type: "string";
  readonly minLength: number;
  readonly maxLength: number;
  readonly glob: Glob | undefined;
}

/** A number or a number without a fraction. */
export interface NumberNode extends NodeBase {
  readonly type: "number" | "integer";
  readonly minimum: number;
  readonly maximum: number;
  readonly exclusiveMinimum: number;
  readonly exclusiveMaximum: number;
}

const KEYWORDS: Readonly<Record<ArgsNode["type"], readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "maxItems"],
  string: ["enum", "const", "minLength", "maxLength", "glob"],
  number: ["enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  integer: ["enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  boolean: ["enum", "const"],
  null: ["enum", "const"],
};

interface Reading {
  nodes: number;
}

/** Reads the schema of one `args` key; throws `TokenError` for anything outside the subset. */
export function parseArgsSchema(schema: JsonValue | undefined): ObjectNode {
  const node = parseNode(schema, "", { nodes: 0 }, []);
  if (node.type !== "object") throw new TokenError('args: the outermost "type" must be "object"');
  return node;
}

function parseNode(
  schema: JsonValue | undefined,
  path: string,
  reading: Reading,
  extra: readonly string[],
): ArgsNode {
  if (!isJsonObject(schema)) throw new TokenError(`args ${path || "/"}: expected a schema object`);
  reading.nodes++;
  if (reading.nodes > MAX_ARGS_NODES) {
    throw new TokenError(`args: a schema has at most ${MAX_ARGS_NODES} nodes`);
  }
  const type = schema.type;
  if (typeof type !== "string" || !Object.hasOwn(KEYWORDS, type)) {
    throw new TokenError(
      `args ${path || "/"}: "type" is mandatory and one of ${Object.keys(KEYWORDS).join(", ")}`,
    );
  }
  const known = [...KEYWORDS[type as ArgsNode["type"]], ...extra, "type"];
  for (const keyword of Object.keys(schema)) {
    if (!known.includes(keyword)) {
      throw new TokenError(`args ${path || "/"}: unknown keyword "${keyword}" for type "${type}"`);
    }
  }
  const at: Place = { schema, path: path || "/" };
  switch (type) {
    case "object":
      return parseObject(at, path, reading);
    case "array":
      return {
        type,
        values: undefined,
        items: schema.items === undefined ? undefined : parseNode(schema.items, `${path}/items`, reading, []),
        maxItems: count(at, "maxItems") ?? Infinity,
      };
    case "string":
      return {
        type,
        values: values(at, (value) => typeof value === "string"),
        minLength: count(at, "minLength") ?? 0,
        maxLength: count(at, "maxLength") ?? Infinity,
        glob: glob(at),
      };
    case "number":
    case "integer":
      return { type, values: values(at, (value) => typeof value === "number"), ...bounds(at) };
    default:
      return {
        type: type as "boolean" | "null",
        values: values(at, (value) => type === "null" ? value === null : typeof value === "boolean"),
      };
  }
}

interface Place {
  readonly schema: JsonObject;
  readonly path: string;
}

function parseObject({ schema, path: shown }: Place, path: string, reading: Reading): ObjectNode {
  const properties = new Map<string, ArgsNode>();
  const required = new Set<string>(names(schema.required, shown));
  const declared = schema.properties ?? {};
  if (!isJsonObject(declared)) throw new TokenError(`args ${shown}: "properties" must be an object`);
  for (const [name, property] of Object.entries(declared)) {
    properties.set(name, parseNode(property, `${path}/${name}`, reading, ["optional"]));
    const optional = isJsonObject(property) ? property.optional : undefined;
    if (optional !== undefined && typeof optional !== "boolean") {
      throw new TokenError(`args ${path}/${name}: "optional" must be true or false`);
    }
    if (optional !== true) required.add(name);
    else if (required.has(name)) {
      throw new TokenError(`args ${path}/${name}: is both required and optional`);
    }
  }
  const others = schema.additionalProperties ?? true;
  if (typeof others !== "boolean") {
    throw new TokenError(`args ${shown}: "additionalProperties" must be true or false`);
  }
  return {
    type: "object",
    values: undefined,
    properties,
    required: [...required],
    allowsOthers: others,
    foldedNames: new Set([...properties.keys()].map(foldCase)),
  };
}

function names(value: JsonValue | undefined, path: string): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string")) {
    throw new TokenError(`args ${path}: "required" must be a list of names`);
  }
  return value;
}

function count({ schema, path }: Place, keyword: string): number | undefined {
  const value = schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new TokenError(`args ${path}: "${keyword}" must be an integer from 0`);
  }
  return value;
}

function bounds(at: Place): Pick<NumberNode, Bound> {
  const bound = (keyword: Bound, otherwise: number) => {
    const value = at.schema[keyword] ?? otherwise;
    if (typeof value === "number" && at.schema[keyword] !== null) return value;
    throw new TokenError(`args ${at.path}: "${keyword}" must be a number`);
  };
  return {
    minimum: bound("minimum", -Infinity),
    maximum: bound("maximum", Infinity),
    exclusiveMinimum: bound("exclusiveMinimum", -Infinity),
    exclusiveMaximum: bound("exclusiveMaximum", Infinity),
  };
}
type Bound = "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum";

function values({ schema, path }: Place, fits: (value: JsonValue) => boolean): readonly Scalar[] | undefined {
  const listed = schema.enum;
  if (listed !== undefined && (!Array.isArray(listed) || listed.length === 0 || !listed.every(fits))) {
    throw new TokenError(`args ${path}: "enum" must list at least one value, all of the node's type`);
  }
  const constant = schema.const;
  if (constant === undefined) return listed as readonly Scalar[] | undefined;
  if (!fits(constant)) throw new TokenError(`args ${path}: "const" must be of the node's type`);
  if (listed !== undefined) throw new TokenError(`args ${path}: give "enum" or "const", not both`);
  return [constant as Scalar];
}

function glob({ schema, path }: Place): Glob | undefined {
  if (schema.glob === undefined) return undefined;
  if (typeof schema.glob !== "string") throw new TokenError(`args ${path}: "glob" must be a string`);
  return nameGlob(schema.glob);
}
