import assert from "node:assert/strict";
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../json.ts";
import { findRefusedArgument, MAX_ARGS_VISITS, MAX_GLOB_CHARACTERS } from "./args_check.ts";
import { MAX_ARGS_NODES, parseArgsSchema } from "./args_schema.ts";
import { TokenError } from "./token_error.ts";

function refused(schema: JsonObject, args: JsonObject): string | undefined {
  return findRefusedArgument(parseArgsSchema(schema), args, { left: MAX_ARGS_VISITS });
}

function withProperty(property: JsonObject): JsonObject {
  return { type: "object", properties: { a: property } };
}

Deno.test("findRefusedArgument() accepts and refuses by every keyword", () => {
  const rows: readonly [JsonObject, readonly JsonValue[], readonly JsonValue[]][] = [
    [{ type: "string" }, ["", "x"], [1, null, [], {}, true]],
    [{ type: "string", minLength: 2, maxLength: 3 }, ["ab", "abc", "💶💶"], ["a", "abcd", "💶"]],
    [{ type: "string", glob: "inv-*" }, ["inv-", "inv-7"], ["Inv-7", "inv"]],
    [{ type: "string", enum: ["a", "b"] }, ["a", "b"], ["c", "A", ""]],
    [{ type: "string", const: "a" }, ["a"], ["b"]],
    [{ type: "number", minimum: 1, maximum: 2 }, [1, 1.5, 2], [0.99, 2.01, "1", null, NaN, Infinity]],
    [{ type: "number", exclusiveMinimum: 1, exclusiveMaximum: 2 }, [1.5], [1, 2]],
    [{ type: "integer" }, [0, -3, 4.0], [0.5, "1"]],
    [{ type: "integer", enum: [1, 2] }, [1], [3]],
    [{ type: "boolean" }, [true, false], [0, "true", null]],
    [{ type: "boolean", const: true }, [true], [false]],
    [{ type: "null" }, [null], [0, "", false]],
    [{ type: "array", maxItems: 2 }, [[], [1, "x"]], [[1, 2, 3], {}, "x"]],
    [{ type: "array", items: { type: "integer" } }, [[], [1, 2]], [[1, "2"]]],
    [
      { type: "object", properties: { b: { type: "null" } }, additionalProperties: false },
      [{ b: null }],
      [{}, { b: 1 }, {
        b: null,
        c: 1,
      }, []],
    ],
    [{ type: "object", required: ["b"] }, [{ b: 1 }, { b: null, c: 1 }], [{}]],
  ];
  for (const [property, good, bad] of rows) {
    for (const value of good) {
      assert.equal(
        refused(withProperty(property), { a: value }),
        undefined,
        JSON.stringify([property, value]),
      );
    }
    for (const value of bad) {
      const path = refused(withProperty(property), { a: value });
      assert.ok(path?.startsWith("/a"), JSON.stringify([property, value]));
    }
  }
});

Deno.test("findRefusedArgument() requires a constrained property unless it is optional", () => {
  const schema = withProperty({ type: "number", maximum: 5 });
  assert.equal(refused(schema, {}), "/a");
  assert.equal(refused(withProperty({ type: "number", maximum: 5, optional: true }), {}), undefined);
  assert.equal(refused(withProperty({ type: "number", maximum: 5, optional: true }), { a: 6 }), "/a");
  assert.equal(refused(withProperty({ type: "number", optional: false }), {}), "/a");
});

Deno.test("findRefusedArgument() says where, as a JSON pointer", () => {
  const schema = withProperty({ type: "array", items: withProperty({ type: "string" }) });
  assert.equal(refused(schema, { a: [{ a: "x" }, { a: 1 }] }), "/a/1/a");
  assert.equal(refused({ type: "object", properties: { "x/y~z": { type: "null" } } }, {}), "/x~1y~0z");
});

Deno.test("findRefusedArgument() looks at own members only and refuses names that differ in case", () => {
  const schema: JsonObject = {
    type: "object",
    properties: { toString: { type: "string" }, amount: { type: "number", optional: true } },
  };
  assert.equal(refused(schema, {}), "/toString");
  assert.equal(refused(schema, { toString: "x" }), undefined);
  for (const name of ["Amount", "AMOUNT", "ａmount"]) {
    assert.equal(refused(schema, { toString: "x", [name]: 1 }), `/${name}`);
  }
  assert.equal(refused(schema, { toString: "x", constructor: 1 }), undefined);
});

Deno.test("findRefusedArgument() gives up on arguments too large to check, and quickly", () => {
  const started = performance.now();
  const items = new Array(200_000).fill(1);
  assert.ok(refused(withProperty({ type: "array", items: { type: "integer" } }), { a: items }) !== undefined);
  const hostile = withProperty({ type: "array", items: { type: "string", glob: "*a".repeat(200) + "b" } });
  assert.ok(refused(hostile, { a: new Array(5000).fill("a".repeat(MAX_GLOB_CHARACTERS)) }) !== undefined);
  const members = Object.fromEntries(new Array(200_000).fill(0).map((_, index) => [`m${index}`, 1]));
  assert.ok(refused({ type: "object", properties: {} }, members) !== undefined);
  assert.ok(performance.now() - started < 5000);
  const long = "a".repeat(MAX_GLOB_CHARACTERS + 1);
  assert.equal(refused(withProperty({ type: "string", glob: "*" }), { a: long }), "/a");
});

Deno.test("parseArgsSchema() accepts exactly the subset", () => {
  const types = ["object", "array", "string", "number", "integer", "boolean", "null"];
  const keywords: Readonly<Record<string, JsonValue>> = {
    properties: {},
    required: [],
    additionalProperties: true,
    items: { type: "null" },
    maxItems: 1,
    minLength: 1,
    maxLength: 1,
    glob: "*",
    minimum: 1,
    maximum: 1,
    exclusiveMinimum: 1,
    exclusiveMaximum: 1,
  };
  const allowed: Readonly<Record<string, readonly string[]>> = {
    object: ["properties", "required", "additionalProperties"],
    array: ["items", "maxItems"],
    string: ["minLength", "maxLength", "glob"],
    number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
    integer: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
    boolean: [],
    null: [],
  };
  for (const type of types) {
    for (const [keyword, value] of Object.entries(keywords)) {
      const parse = () => parseArgsSchema(withProperty({ type, [keyword]: value }));
      if (allowed[type]!.includes(keyword)) assert.doesNotThrow(parse, `${type} ${keyword}`);
      else assert.throws(parse, TokenError, `${type} ${keyword}`);
    }
    for (const keyword of ["pattern", "$ref", "not", "anyOf", "description", "format", "if", "title"]) {
      assert.throws(() => parseArgsSchema(withProperty({ type, [keyword]: {} })), TokenError);
    }
  }
});

Deno.test("parseArgsSchema() counts nodes", () => {
  const wide = (count: number): JsonObject => ({
    type: "object",
    properties: Object.fromEntries(
      new Array(count).fill(0).map((_, index) => [`p${index}`, { type: "null" }]),
    ),
  });
  assert.doesNotThrow(() => parseArgsSchema(wide(MAX_ARGS_NODES - 1)));
  assert.throws(() => parseArgsSchema(wide(MAX_ARGS_NODES)), TokenError);
});

Deno.test("parseArgsSchema() either reads or throws TokenError, and what it reads can be evaluated", () => {
  const schema = fc.dictionary(
    fc.constantFrom(
      "type",
      "properties",
      "items",
      "enum",
      "const",
      "required",
      "optional",
      "maximum",
      "glob",
    ),
    fc.oneof(
      fc.constantFrom<JsonValue>("object", "string", "array", "number", 1, null, [], ["a"]),
      fc.constant({ type: "object", properties: { a: { type: "string" } } }),
      fc.jsonValue() as fc.Arbitrary<JsonValue>,
    ),
  );
  fc.assert(fc.property(schema, fc.dictionary(fc.string(), fc.jsonValue()), (candidate, args) => {
    try {
      const node = parseArgsSchema({ type: "object", ...candidate });
      findRefusedArgument(node, args as JsonObject, { left: MAX_ARGS_VISITS });
    } catch (error) {
      assert.ok(error instanceof TokenError, String(error));
    }
  }));
});
