import { foldCase } from "./case_variants.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

/**
 * Finds an argument that matches a property of the tool's schema only when case is ignored: a lenient upstream would read
 * it as that property while every check saw another name. Returns its path, or `undefined`. Follows `properties` and
 * `items`; depth is bounded by the parser of the request.
 */
export function findArgumentCaseVariant(
  value: JsonValue | undefined,
  schema: JsonValue | undefined,
): string | undefined {
  return find(value, schema, "");
}

function find(value: JsonValue | undefined, schema: JsonValue | undefined, path: string): string | undefined {
  if (!isJsonObject(schema)) return undefined;
  if (Array.isArray(value)) {
    for (const [index, member] of value.entries()) {
      const found = find(member, schema.items, `${path}/${index}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isJsonObject(value) || !isJsonObject(schema.properties)) return undefined;
  return findInObject(value, schema.properties, path);
}

function findInObject(value: JsonObject, properties: JsonObject, path: string): string | undefined {
  const folded = new Set(Object.keys(properties).map(foldCase));
  for (const [name, member] of Object.entries(value)) {
    if (!Object.hasOwn(properties, name)) {
      if (folded.has(foldCase(name))) return `${path}/${name}`;
      continue;
    }
    const found = find(member, properties[name], `${path}/${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
