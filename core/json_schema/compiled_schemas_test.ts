import assert from "node:assert/strict";
import type { JsonObject } from "../json.ts";
import { CompiledSchemas, MAX_KEPT_WEIGHT } from "./compiled_schemas.ts";

/** About 2,000 units of weight. */
const heavy = (at: number): JsonObject => ({
  title: `${at}`,
  enum: Array.from({ length: 2_000 }, (_, of) => of),
});

Deno.test("CompiledSchemas makes a check once, or says why there is none", () => {
  const compiled = new CompiledSchemas();
  const schema = { type: "object" };
  assert.equal(compiled.of(schema), compiled.of(schema));
  const odd = { $dynamicRef: "#a" };
  assert.equal(compiled.of(odd), 'it has the keyword "$dynamicRef"');
  assert.equal(compiled.size, 2);
});

Deno.test("CompiledSchemas keeps what was used last, and never more than its weight", () => {
  const compiled = new CompiledSchemas();
  const schemas = Array.from({ length: 200 }, (_, at) => heavy(at));
  const first = compiled.of(schemas[0]!);
  for (const schema of schemas) {
    compiled.of(schema);
    assert.equal(compiled.of(schemas[0]!), first, "used all the time");
  }
  assert.ok(compiled.size <= MAX_KEPT_WEIGHT / 2_000, `${compiled.size}`);
  assert.ok(compiled.size > 40, `${compiled.size}`);
});
