/** Makes rules of subschemas, within bounds: what a stranger's schema may cost to read and to keep. */
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import type { Rule } from "./check_run.ts";
import { compileKeywords } from "./keywords.ts";
import { linearPattern } from "./linear_pattern.ts";
import { MAX_KEPT_STATES } from "./pattern_matchers.ts";
import type { PatternProgram } from "./pattern_program.ts";
import { SchemaReferences } from "./references.ts";

/** Thrown for a schema that cannot be checked; says why. */
export class SchemaUnusable extends Error {
  override readonly name = "SchemaUnusable";
}

export type Draft = "2020-12" | "draft-07";

const MAX_SUBSCHEMAS = 5_000;
/** Steps of all patterns of one schema, written out. */
export const MAX_SCHEMA_STEPS = 20_000;
/** What every pattern counts beyond its steps. */
const STEPS_OF_PATTERN = 20;
/** What a property of Unicode in a pattern counts: the engine writes its table out. */
const STEPS_OF_PROPERTY = 2_000;

/** Compiles the subschemas of one document, each once. */
export class SchemaCompiler {
  readonly draft: Draft;
  readonly #root: JsonObject;
  readonly #references: SchemaReferences;
  readonly #rules = [new Map<JsonObject, Rule>(), new Map<JsonObject, Rule>()] as const;
  readonly #patterns = new Map<string, PatternProgram | undefined>();
  #count = 0;
  #stepsLeft = MAX_SCHEMA_STEPS;
  #weight = 0;
  #skippedPatterns = 0;

  constructor(root: JsonObject) {
    this.#root = root;
    this.draft = draftOf(root);
    this.#references = new SchemaReferences(root);
  }

  /** Roughly how much memory the rules take: subschemas, entries of lists, steps of patterns and what they remember. */
  get weight(): number {
    const remembered = this.#stepsLeft === MAX_SCHEMA_STEPS ? 0 : MAX_KEPT_STATES;
    return this.#weight + this.#count + MAX_SCHEMA_STEPS - this.#stepsLeft + remembered;
  }

  /** Patterns that are left out, since nothing here can match them. */
  get skippedPatterns(): number {
    return this.#skippedPatterns;
  }

  /** `certain`: the rule stands where "unknown" cannot be taken for "yes", for example under `not`. */
  compile(schema: JsonValue | undefined, certain: boolean): Rule {
    if (schema === true || schema === undefined) return () => true;
    if (schema === false) return (_, place, run) => run.fail(place, "false");
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
    const rule: Rule = (value, place, run) => {
      run.enter(parts.length);
      let holds = true;
      for (const part of parts) {
        if (part(value, place, run)) continue;
        holds = false;
        if (run.isDecided) break;
      }
      run.leave();
      return holds;
    };
    rules.set(schema, rule); // before its parts: schemas refer to themselves
    parts = compileKeywords(schema, this, certain);
    return rule;
  }

  reference(text: string, certain: boolean): Rule {
    const target = this.#references.resolve(text);
    if (target === undefined) throw new SchemaUnusable(`it refers to something that is not in it`);
    return this.compile(target, certain);
  }

  /** What cannot be matched in linear time is not checked, and must not stand where that would turn an answer around. */
  pattern(source: string, certain: boolean): PatternProgram | undefined {
    if (!this.#patterns.has(source)) this.#patterns.set(source, this.#affordable(source));
    const program = this.#patterns.get(source);
    if (program !== undefined) return program;
    if (certain) throw new SchemaUnusable("a pattern under another keyword cannot be matched in linear time");
    this.#skippedPatterns++;
    return undefined;
  }

  /** Says what a keyword's rule keeps. */
  weigh(entries: number): void {
    this.#weight += entries;
  }

  #affordable(source: string): PatternProgram | undefined {
    const program = this.#stepsLeft <= 0 ? undefined : linearPattern(source);
    if (program === undefined) {
      this.#stepsLeft = Math.max(0, this.#stepsLeft - STEPS_OF_PATTERN - Math.ceil(source.length / 10));
      return undefined;
    }
    const steps = STEPS_OF_PATTERN + program.steps.length + STEPS_OF_PROPERTY * program.properties.length;
    this.#stepsLeft = Math.max(0, this.#stepsLeft - steps);
    return this.#stepsLeft > 0 ? program : undefined;
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
