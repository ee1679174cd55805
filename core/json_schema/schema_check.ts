/**
 * JSON Schema for schemas that strangers wrote: nothing is fetched, nothing is compiled to code, no pattern can back-track, and
 * every check has a budget that grows with the value and not with the schema. What is understood: draft 2020-12, and draft-07
 * where `$schema` says so, without `$dynamicRef`, `unevaluatedProperties`, `unevaluatedItems`, nested `$id` and references
 * out of the document; `format` and `content…` say nothing. Source: https://json-schema.org/draft/2020-12
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { compileKeywords } from "./keywords.ts";
import { resolveReference } from "./references.ts";

/** One place where a value is not what the schema wants. It never holds the value. */
export interface SchemaViolation {
  /** JSON pointer into the value, shortened. */
  readonly pointer: string;
  readonly keyword: string;
}

/** A schema, ready to check values. */
export interface SchemaCheck {
  /** What is wrong with a value: nothing, or at most `MAX_VIOLATIONS` places. */
  violations(value: JsonValue): readonly SchemaViolation[];
  /** Patterns that only a back-tracking engine could match: they are not checked. */
  readonly uncheckedPatterns: number;
}

/** Thrown for a schema that cannot be checked; says why. */
export class SchemaUnusable extends Error {
  override readonly name = "SchemaUnusable";
}

export type Draft = "2020-12" | "draft-07";

/** One subschema: adds violations to the run, or finds none. */
export type Rule = (value: JsonValue, pointer: string, run: CheckRun) => void;

export const MAX_VIOLATIONS = 5;
const MAX_SUBSCHEMAS = 5_000;
/** Evaluations that every value may cost, and that each of its parts adds. */
const BUDGET_BASE = 10_000;
const BUDGET_PER_PART = 64;
const MAX_POINTER_LENGTH = 200;
/** Subschemas inside each other: requests are at most 32 deep, and a schema combines a few at each level. */
const MAX_VALUE_DEPTH = 500;

/** The state of one check. */
export class CheckRun {
  readonly found: SchemaViolation[] = [];
  left: number;
  depth = 0;

  constructor(budget: number) {
    this.left = budget;
  }

  add(pointer: string, keyword: string): void {
    if (this.found.length >= MAX_VIOLATIONS) return;
    const short = pointer.length > MAX_POINTER_LENGTH
      ? `${pointer.slice(0, MAX_POINTER_LENGTH).toWellFormed()}…`
      : pointer;
    this.found.push({ pointer: short, keyword });
  }

  /** Whether a rule finds nothing; what it finds is not kept. */
  accepts(rule: Rule, value: JsonValue): boolean {
    const before = this.found.length;
    if (before >= MAX_VIOLATIONS) {
      // The list is full: a violation would not show.
      const inner = new CheckRun(this.left);
      inner.depth = this.depth;
      rule(value, "", inner);
      this.left = inner.left;
      return inner.found.length === 0;
    }
    rule(value, "", this);
    const isAccepted = this.found.length === before;
    this.found.length = before;
    return isAccepted;
  }
}

/** Thrown when the budget of a check is used up. */
export class BudgetExhausted extends Error {
  override readonly name = "BudgetExhausted";
}

/** What compiling subschemas shares. */
export interface SchemaCompiler {
  readonly draft: Draft;
  /** `certain`: the rule stands where "unknown" cannot be taken for "yes", for example under `not`. */
  compile(schema: JsonValue | undefined, certain: boolean): Rule;
  reference(text: string, certain: boolean): Rule;
  patternSkipped(): void;
}

/** Makes the check of a schema; throws `SchemaUnusable`. */
export function compileSchema(schema: JsonObject): SchemaCheck {
  const compiler = new Compiler(schema);
  const rule = compiler.compile(schema, false);
  return {
    uncheckedPatterns: compiler.skippedPatterns,
    violations: (value) => {
      const run = new CheckRun(BUDGET_BASE + BUDGET_PER_PART * partsOf(value, 0));
      try {
        rule(value, "", run);
      } catch (error) {
        if (!(error instanceof BudgetExhausted)) throw error;
        run.found.length = 0;
        run.add("", "complexity");
      }
      return run.found;
    },
  };
}

class Compiler implements SchemaCompiler {
  readonly draft: Draft;
  readonly #root: JsonObject;
  readonly #rules = [new Map<JsonObject, Rule>(), new Map<JsonObject, Rule>()] as const;
  #count = 0;
  skippedPatterns = 0;

  constructor(root: JsonObject) {
    this.#root = root;
    this.draft = draftOf(root);
  }

  patternSkipped(): void {
    this.skippedPatterns++;
  }

  compile(schema: JsonValue | undefined, certain: boolean): Rule {
    if (schema === true || schema === undefined) return () => {};
    if (schema === false) return (_, pointer, run) => run.add(pointer, "false");
    if (!isJsonObject(schema)) throw new SchemaUnusable("a schema is neither an object nor a boolean");
    const rules = this.#rules[certain ? 1 : 0];
    const known = rules.get(schema);
    if (known !== undefined) return known;
    if (++this.#count > MAX_SUBSCHEMAS) {
      throw new SchemaUnusable(`it has more than ${MAX_SUBSCHEMAS} subschemas`);
    }
    if (schema !== this.#root && typeof schema.$id === "string" && !schema.$id.startsWith("#")) {
      throw new SchemaUnusable("it has a nested $id");
    }
    let parts: readonly Rule[] = [];
    const rule: Rule = (value, pointer, run) => {
      if (--run.left < 0) throw new BudgetExhausted();
      if (++run.depth > MAX_VALUE_DEPTH) throw new BudgetExhausted();
      for (const part of parts) part(value, pointer, run);
      run.depth--;
    };
    rules.set(schema, rule); // before its parts: schemas refer to themselves
    parts = compileKeywords(schema, this, certain);
    return rule;
  }

  reference(text: string, certain: boolean): Rule {
    const target = resolveReference(this.#root, text);
    if (target === undefined) throw new SchemaUnusable(`it refers to something that is not in it`);
    return this.compile(target, certain);
  }
}

function draftOf({ $schema }: JsonObject): Draft {
  if ($schema === undefined) return "2020-12";
  const name = typeof $schema === "string" ? $schema.replace(/#$/, "").replace(/^https?:\/\//, "") : "";
  if (name === "json-schema.org/draft/2020-12/schema") return "2020-12";
  // 2019-09 differs in what is not understood here anyway, and in `items` as a list, which is read as draft-07 reads it.
  if (/^json-schema\.org\/(draft-0[67]|draft\/2019-09)\/schema$/.test(name)) return "draft-07";
  throw new SchemaUnusable("its $schema is not known");
}

function partsOf(value: JsonValue, depth: number): number {
  if (typeof value === "string") return 1 + value.length / 64;
  if (typeof value !== "object" || value === null || depth > MAX_VALUE_DEPTH) return 1;
  let parts = 1;
  if (Array.isArray(value)) { for (const member of value) parts += partsOf(member, depth + 1); }
  else for (const name in value) parts += partsOf((value as JsonObject)[name] ?? null, depth + 1);
  return parts;
}
