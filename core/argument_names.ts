import { foldCase } from "./case_variants.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { CheckWork, WorkExhausted } from "./json_schema/check_work.ts";
import { SchemaReferences } from "./json_schema/references.ts";

/**
 * Finds an argument that matches a property of the tool's schema only when case is ignored: a lenient upstream would read
 * it as that property while every check saw another name. Returns its path, or `undefined`; the path of the place that was
 * reached when it takes too much work. Follows `properties`, `items`, `prefixItems`, `additionalProperties`, `allOf`,
 * `anyOf`, `oneOf`, `then`, `else`, `dependentSchemas` and local references; depth is bounded by the parser of the request.
 */
export function findArgumentCaseVariant(
  value: JsonValue | undefined,
  schema: JsonValue | undefined,
): string | undefined {
  if (!isJsonObject(schema) || value === undefined) return undefined;
  const search = new NameSearch(schema, value);
  try {
    return search.find(value, [schema], "");
  } catch (error) {
    if (error instanceof WorkExhausted) return search.reached;
    throw error;
  }
}

/** What the schemas of one place say together. */
interface Expanded {
  /** The schemas, and all that they refer to or combine. */
  readonly parts: readonly JsonObject[];
  readonly known: ReadonlySet<string>;
  /** Longest of their `prefixItems`. */
  readonly prefixLength: number;
  folded?: ReadonlySet<string>;
}

class NameSearch {
  /** The last place that was looked at. */
  reached = "";
  readonly #work: CheckWork;
  readonly #references: SchemaReferences;
  readonly #numbers = new Map<JsonObject, number>();
  /** Items of an array have the same schemas. */
  readonly #expanded = new Map<string, Expanded>();
  readonly #expandedOne = new Map<JsonObject, Expanded>();

  constructor(root: JsonObject, value: JsonValue) {
    this.#work = new CheckWork(value);
    this.#references = new SchemaReferences(root);
  }

  find(value: JsonValue | undefined, schemas: readonly JsonObject[], path: string): string | undefined {
    if (schemas.length === 0 || typeof value !== "object" || value === null) return undefined;
    this.reached = path;
    const expanded = this.#expand(schemas);
    if (isJsonObject(value)) return this.#findInObject(value, expanded, path);
    return Array.isArray(value) ? this.#findInArray(value, expanded, path) : undefined;
  }

  #findInArray(items: readonly JsonValue[], { parts, prefixLength }: Expanded, path: string) {
    this.#work.charge(items.length + parts.length * (1 + Math.min(prefixLength, items.length)));
    const rest = schemasOf(parts.map((part) => part.items));
    for (const [index, item] of items.entries()) {
      if (typeof item !== "object" || item === null) continue;
      const own = index >= prefixLength ? rest : schemasOf(parts.map((part) => itemSchema(part, index)));
      const found = this.find(item, own, `${path}/${index}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #findInObject(value: JsonObject, expanded: Expanded, path: string): string | undefined {
    const { parts, known } = expanded;
    const names = Object.keys(value);
    this.#work.charge((names.length < 16 ? 4 : 12) * names.length);
    for (const name of names) {
      if (!known.has(name) && known.size > 0) {
        this.#chargeFolding(name);
        expanded.folded ??= this.#fold(known);
        if (expanded.folded.has(foldCase(name))) return `${path}/${name}`;
      }
      const member = value[name];
      if (typeof member !== "object" || member === null) continue;
      this.#work.charge(4 * parts.length);
      const own = schemasOf(parts.map((part) => memberSchema(part, name)));
      const found = this.find(member, own, `${path}/${name}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #fold(known: ReadonlySet<string>): ReadonlySet<string> {
    for (const name of known) this.#chargeFolding(name);
    return new Set([...known].map(foldCase));
  }

  #chargeFolding(name: string): void {
    this.#work.charge(4 + foldingUnits(name));
  }

  #expand(schemas: readonly JsonObject[]): Expanded {
    this.#work.charge(2 * schemas.length);
    if (schemas.length === 1) {
      let expanded = this.#expandedOne.get(schemas[0]!);
      if (expanded === undefined) this.#expandedOne.set(schemas[0]!, expanded = this.#expandAnew(schemas));
      return expanded;
    }
    const key = schemas.map((schema) => this.#numberOf(schema)).join();
    let expanded = this.#expanded.get(key);
    if (expanded === undefined) this.#expanded.set(key, expanded = this.#expandAnew(schemas));
    return expanded;
  }

  #numberOf(schema: JsonObject): number {
    const number = this.#numbers.get(schema) ?? this.#numbers.size;
    this.#numbers.set(schema, number);
    return number;
  }

  #expandAnew(schemas: readonly JsonObject[]): Expanded {
    const parts = new Set(schemas);
    const known = new Set<string>();
    let prefixLength = 0;
    // A set goes on with what is added while it is gone through.
    for (const part of parts) {
      const names = isJsonObject(part.properties) ? Object.keys(part.properties) : [];
      const more = this.#combined(part);
      this.#work.charge(8 + 4 * names.length + 4 * more.length);
      for (const name of names) known.add(name);
      for (const schema of more) if (isJsonObject(schema)) parts.add(schema);
      if (Array.isArray(part.prefixItems)) prefixLength = Math.max(prefixLength, part.prefixItems.length);
    }
    return { parts: [...parts], known, prefixLength };
  }

  /** What a schema refers to or combines. */
  #combined({ allOf, anyOf, oneOf, then, else: otherwise, dependentSchemas, $ref }: JsonObject) {
    const more: (JsonValue | undefined)[] = [then, otherwise];
    for (
      const list of [
        allOf,
        anyOf,
        oneOf,
        isJsonObject(dependentSchemas) ? Object.values(dependentSchemas) : [],
      ]
    ) {
      if (Array.isArray(list)) { for (const schema of list) more.push(schema); }
    }
    if (typeof $ref === "string") {
      this.#work.charge(8 + $ref.length / 4);
      more.push(this.#references.resolve($ref));
    }
    return more;
  }
}

/** Letters beyond ASCII are normalised, which takes long for runs of marks that combine. */
function foldingUnits(name: string): number {
  // deno-lint-ignore no-control-regex
  return /^[\x00-\x7f]*$/.test(name) ? name.length / 16 : 4 * Math.min(name.length, 256);
}

function schemasOf(schemas: readonly (JsonValue | undefined)[]): readonly JsonObject[] {
  const found = schemas.filter(isJsonObject);
  return found.length < 2 ? found : [...new Set(found)];
}

function memberSchema({ properties, additionalProperties }: JsonObject, name: string): JsonValue | undefined {
  return isJsonObject(properties) && Object.hasOwn(properties, name)
    ? properties[name]
    : additionalProperties;
}

function itemSchema({ prefixItems, items }: JsonObject, index: number): JsonValue | undefined {
  return (Array.isArray(prefixItems) ? prefixItems[index] : undefined) ?? items;
}
