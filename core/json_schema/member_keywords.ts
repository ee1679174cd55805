/** Keywords about the members of an object. */
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { type CheckRun, FEW_NAMES, type Place, type Rule } from "./check_run.ts";
import { entriesOf } from "./object_keywords.ts";
import type { PatternProgram } from "./pattern_program.ts";
import type { SchemaCompiler } from "./schema_compiler.ts";

interface Members {
  readonly known: ReadonlyMap<string, Rule>;
  readonly patterns: readonly { readonly pattern: PatternProgram; readonly rule: Rule }[];
  readonly isClosed: boolean;
  readonly rest: Rule | undefined;
  readonly naming: Rule | undefined;
}

/** `properties`, `patternProperties`, `additionalProperties` and `propertyNames`: every member once. */
export function memberRules(schema: JsonObject, compiler: SchemaCompiler, certain: boolean): Rule[] {
  const { additionalProperties, propertyNames } = schema;
  // A pattern that decides which members are additional must be matched.
  const isDeciding = additionalProperties !== undefined && additionalProperties !== true;
  const members: Members = {
    known: new Map(
      entriesOf(schema.properties).map(([name, part]) => [name, compiler.compile(part, certain)]),
    ),
    patterns: entriesOf(schema.patternProperties).flatMap(([source, part]) => {
      const pattern = compiler.pattern(source, certain || isDeciding);
      return pattern === undefined ? [] : [{ pattern, rule: compiler.compile(part, certain) }];
    }),
    isClosed: additionalProperties === false,
    rest: isDeciding ? compiler.compile(additionalProperties, certain) : undefined,
    naming: propertyNames === undefined ? undefined : compiler.compile(propertyNames, certain),
  };
  const { known, patterns, rest, naming } = members;
  compiler.weigh(known.size + patterns.length);
  if (known.size === 0 && patterns.length === 0 && rest === undefined && naming === undefined) return [];
  return [(value, place, run) => {
    if (!isJsonObject(value)) return true;
    let holds = true;
    const names = run.namesOf(value);
    const lookUp = names.length < FEW_NAMES ? 2 : 12;
    for (const name of names) {
      run.charge(lookUp + patterns.length + name.length / 64);
      if (memberHolds(members, name, value[name] ?? null, { outer: place, name }, run)) continue;
      holds = false;
      if (run.isDecided) break;
    }
    return holds;
  }];
}

function memberHolds(
  { known, patterns, isClosed, rest, naming }: Members,
  name: string,
  member: JsonValue,
  place: Place,
  run: CheckRun,
): boolean {
  const own = known.get(name);
  let isKnown = own !== undefined;
  let holds = own === undefined || own(member, place, run);
  for (const { pattern, rule } of patterns) {
    if (!run.matches(pattern, name)) continue;
    isKnown = true;
    if (!rule(member, place, run)) holds = false;
  }
  if (!isKnown && isClosed) holds = run.fail(place, "additionalProperties");
  else if (!isKnown && rest !== undefined && !rest(member, place, run)) holds = false;
  if (naming !== undefined && !run.accepts(naming, name)) holds = run.fail(place, "propertyNames");
  return holds;
}
