import { foldCase } from "./case_variants.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

/** More schemas than this are not looked through: a call whose schema is that tangled is refused. */
const MAX_SCHEMAS = 50_000;

/**
 * Finds an argument that matches a property of the tool's schema only when case is ignored: a lenient upstream would read
 * it as that property while every check saw another name. Returns its path, or `undefined`. Follows `properties`, `items`,
 * `prefixItems`, `additionalProperties`, `allOf`, `anyOf`, `oneOf` and local `$ref`s; depth is bounded by the parser of the
 * request.
 */
export function findArgumentCaseVariant(
  value: JsonValue | undefined,
  schema: JsonValue | undefined,
): string | undefined {
  const state: SearchState = { root: schema, left: MAX_SCHEMAS };
  return find(value, [schema], "", state);
}

interface SearchState {
  readonly root: JsonValue | undefined;
  left: number;
}

type Schemas = readonly (JsonValue | undefined)[];

function find(
  value: JsonValue | undefined,
  schemas: Schemas,
  path: string,
  state: SearchState,
): string | undefined {
  if (Array.isArray(value)) {
    const parts = expanded(schemas, state);
    if (parts === undefined) return path;
    for (const [index, member] of value.entries()) {
      const found = find(
        member,
        parts.flatMap((part) => itemSchemas(part, index)),
        `${path}/${index}`,
        state,
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return isJsonObject(value) ? findInObject(value, schemas, path, state) : undefined;
}

function findInObject(
  value: JsonObject,
  schemas: Schemas,
  path: string,
  state: SearchState,
): string | undefined {
  const parts = expanded(schemas, state);
  if (parts === undefined) return path;
  const known = new Set(
    parts.flatMap((part) => isJsonObject(part.properties) ? Object.keys(part.properties) : []),
  );
  let folded: Set<string> | undefined;
  for (const [name, member] of Object.entries(value)) {
    if (!known.has(name)) {
      folded ??= new Set([...known].map(foldCase));
      if (folded.has(foldCase(name))) return `${path}/${name}`;
    }
    const found = find(member, parts.flatMap((part) => memberSchemas(part, name)), `${path}/${name}`, state);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The schemas with all that they refer to or combine; `undefined` when there are too many. */
function expanded(schemas: Schemas, state: SearchState): readonly JsonObject[] | undefined {
  const seen = new Set<JsonObject>();
  const queue = [...schemas];
  for (let schema = queue.pop(); queue.length > 0 || schema !== undefined; schema = queue.pop()) {
    if (!isJsonObject(schema) || seen.has(schema)) continue;
    if (--state.left < 0) return undefined;
    seen.add(schema);
    queue.push(
      ...[schema.allOf, schema.anyOf, schema.oneOf].flatMap((list) => Array.isArray(list) ? list : []),
    );
    if (typeof schema.$ref === "string") queue.push(resolve(schema.$ref, state.root));
  }
  return [...seen];
}

/** The schema that a local reference (`#/$defs/name`) points at; others are not followed. */
function resolve(reference: string, root: JsonValue | undefined): JsonValue | undefined {
  if (!reference.startsWith("#")) return undefined;
  let found = root;
  for (const part of reference.slice(1).split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    found = isJsonObject(found) && Object.hasOwn(found, name) ? found[name] : undefined;
  }
  return found;
}

function memberSchemas(schema: JsonObject, name: string): Schemas {
  const { properties, additionalProperties } = schema;
  if (isJsonObject(properties) && Object.hasOwn(properties, name)) return [properties[name]];
  return [additionalProperties];
}

function itemSchemas(schema: JsonObject, index: number): Schemas {
  const prefix = Array.isArray(schema.prefixItems) ? schema.prefixItems[index] : undefined;
  return [prefix ?? schema.items];
}
