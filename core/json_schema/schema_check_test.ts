import assert from "node:assert/strict";
import { isJsonObject, type JsonObject, type JsonValue } from "../json.ts";
import { compileSchema, MAX_VIOLATIONS, SchemaUnusable } from "./schema_check.ts";

interface Group {
  readonly description: string;
  readonly schema: JsonValue;
  readonly tests: readonly {
    readonly description: string;
    readonly data: JsonValue;
    readonly valid: boolean;
  }[];
}
const SUITE: { readonly drafts: Readonly<Record<string, Readonly<Record<string, readonly Group[]>>>> } = JSON
  .parse(
    Deno.readTextFileSync(new URL("../../tests/vectors/json_schema_suite.json", import.meta.url)),
  );
const DRAFT_07 = "http://json-schema.org/draft-07/schema#";

/** Groups of the official suite whose schemas are refused as a whole, by file: references elsewhere, nested ids. */
const REFUSED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "2020-12": { anchor: 3, not: 1, ref: 14 },
  "draft-07": { ref: 11 },
};

for (const [draft, files] of Object.entries(SUITE.drafts)) {
  for (const [file, groups] of Object.entries(files)) {
    Deno.test(`the official suite of JSON Schema ${draft}: ${file}`, () => {
      let refused = 0;
      for (const { description, schema, tests } of groups) {
        const whole = isJsonObject(schema) ? schema : { allOf: [schema] };
        const asked = draft === "draft-07" ? { $schema: DRAFT_07, ...whole } : whole;
        let check;
        try {
          check = compileSchema(asked);
        } catch (error) {
          assert.ok(error instanceof SchemaUnusable, `${description}: ${error}`);
          refused++;
          continue;
        }
        for (const { description: what, data, valid } of tests) {
          if (check.uncheckedPatterns > 0 && !valid) continue;
          assert.equal(check.violations(data).length === 0, valid, `${description}: ${what}`);
        }
      }
      assert.equal(refused, REFUSED[draft]?.[file] ?? 0, "schemas that are refused as a whole");
    });
  }
}

const violations = (schema: JsonObject, value: JsonValue) =>
  compileSchema(schema).violations(value).map(({ pointer, keyword }) => `${keyword} ${pointer}`);

Deno.test("violations() name places and keywords, never values, and only a few", () => {
  const schema = {
    type: "object",
    properties: { id: { type: "string", pattern: "^INV-" }, lines: { items: { type: "integer" } } },
    required: ["id"],
    additionalProperties: false,
  };
  assert.deepEqual(violations(schema, { lines: [1, "x"], "a/b": 1 }), [
    ...["required /id", "type /lines/1", "additionalProperties /a~1b"],
  ]);
  assert.deepEqual(violations(schema, { id: "secret" }), ["pattern /id"]);
  assert.equal(
    violations({ items: { type: "string" } }, Array.from({ length: 100 }, () => 1)).length,
    MAX_VIOLATIONS,
  );
});

Deno.test("a check that takes too much work says complexity; one of an honest size does not", () => {
  const doubling: Record<string, JsonValue> = { d0: { type: "string" } };
  for (let at = 1; at < 60; at++) {
    const below = { $ref: `#/$defs/d${at - 1}` };
    doubling[`d${at}`] = { allOf: [below, { anyOf: [below, below] }] };
  }
  assert.deepEqual(violations({ $ref: "#/$defs/d59", $defs: doubling }, "x"), ["complexity "]);
  assert.deepEqual(violations({ $ref: "#" }, 1), ["complexity "]);
  const objects = Array.from({ length: 10_000 }, (_, at) => ({ at, name: `row ${at}`, tags: ["a", "b"] }));
  const columns = { at: { type: "integer", minimum: 0 }, name: { type: "string", pattern: "^row \\d+$" } };
  assert.deepEqual(violations({ items: { properties: columns, required: ["at", "name"] } }, objects), []);
  assert.deepEqual(violations({ uniqueItems: true }, objects), []);
  assert.deepEqual(violations({ uniqueItems: true }, Array.from({ length: 100_000 }, (_, at) => at)), []);
  assert.deepEqual(violations({ pattern: "^[A-Za-z0-9+/]*={0,2}$" }, "QUJD".repeat(400_000)), []);
  const deep: JsonValue = JSON.parse("[".repeat(50_000) + "]".repeat(50_000));
  for (const schema of [{ uniqueItems: true }, { items: { $ref: "#" } }, { enum: [[]] }]) {
    assert.deepEqual(violations(schema, [deep, deep]), ["complexity "]);
  }
  const often = { allOf: Array.from({ length: 4_990 }, () => ({ uniqueItems: true })) };
  assert.deepEqual(violations(often, objects), ["complexity "]);
});

Deno.test("patterns of one schema are written out to so many steps; those beyond are not checked", () => {
  const patterns = (count: number) => ({
    properties: Object.fromEntries(
      Array.from({ length: count }, (_, at) => [`p${at}`, { pattern: `^.{1,400}${at}$` }]),
    ),
  });
  assert.equal(compileSchema(patterns(20)).uncheckedPatterns, 0);
  assert.ok(compileSchema(patterns(40)).uncheckedPatterns > 0);
  const same = { items: { pattern: "^.{1,400}$" }, contains: { pattern: "^.{1,400}$" } };
  assert.ok(compileSchema(same).weight < 1_300, "one pattern is kept once");
  assert.throws(() => compileSchema({ not: { pattern: ".{0,3000}" } }), SchemaUnusable);
});

Deno.test("compileSchema() refuses what it would have to guess or fetch", () => {
  const refused = (schema: JsonObject) => {
    assert.throws(() => compileSchema(schema), SchemaUnusable, JSON.stringify(schema));
  };
  refused({ $ref: "http://127.0.0.1:1/schema" });
  refused({ $ref: "other.json#/a" });
  refused({ $ref: "#/$defs/none" });
  refused({ $dynamicRef: "#x" });
  refused({ unevaluatedProperties: false });
  refused({ properties: { a: { $id: "https://example.com/b" } } });
  refused({ $schema: "https://example.com/own" });
  refused({ not: { pattern: "(?=a)" } });
  refused({ allOf: Array.from({ length: 6_000 }, () => ({ type: "string" })) });
  refused({ properties: { a: 7 } });
});

Deno.test("a pattern with look-around is left out, and the rest of the schema holds", () => {
  const check = compileSchema({ properties: { mail: { type: "string", pattern: "^(?!\\.)[a-z]+@" } } });
  assert.equal(check.uncheckedPatterns, 1);
  assert.deepEqual(check.violations({ mail: "anything" }), []);
  assert.deepEqual(check.violations({ mail: 1 }), [{ pointer: "/mail", keyword: "type" }]);
});
