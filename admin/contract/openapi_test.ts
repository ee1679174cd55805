import assert from "node:assert/strict";
import * as z from "zod";
import { openApiDocument } from "./openapi.ts";
import { ROUTE_SPECS } from "./routes.ts";

// deno-lint-ignore no-explicit-any
const document = openApiDocument("1.2.3") as any;

Deno.test("openApiDocument() names every operation once and points at nothing that is missing", () => {
  const ids = ROUTE_SPECS.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(document.info.version, "1.2.3");
  const text = JSON.stringify(document);
  for (const [, reference = ""] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    // deno-lint-ignore no-explicit-any
    const target = reference.split("/").reduce((value: any, part) => value?.[part], document);
    assert.notEqual(target, undefined, reference);
  }
  for (const { leadsTo = {} } of ROUTE_SPECS) {
    for (const id of Object.keys(leadsTo)) assert.ok(ids.includes(id), id);
  }
});

Deno.test("openApiDocument() describes requests by the schemas that parse them", () => {
  for (const { body, id } of ROUTE_SPECS) {
    if (body === undefined) continue;
    const examples = z.globalRegistry.get(body)?.examples as unknown[] | undefined;
    assert.ok(examples !== undefined && examples.length > 0, `${id} has no example`);
    for (const example of examples) {
      assert.ok(body.safeParse(example).success, `${id}: ${JSON.stringify(example)}`);
    }
  }
  const limit = document.paths["/tokens"].get.parameters.find((row: { name: string }) =>
    row.name === "limit"
  );
  assert.deepEqual(limit.schema, { default: 100, type: "integer", minimum: 1, maximum: 1000 });
  assert.equal(document.components.schemas.MintTokenBody.additionalProperties, false);
  assert.deepEqual(document.components.schemas.MintTokenBody.required, ["tenant", "agent", "ttl_seconds"]);
});

/** What these answer is never longer than 64 entries. */
const BOUNDED = new Set(["/audit/log/{chain}", "/audit/consistency", "/audit/places", "/audit/values"]);

Deno.test("every list has a limit and a cursor, and every write an idempotency key", () => {
  let lists = 0;
  for (const { path, method } of ROUTE_SPECS) {
    const { parameters = [], responses } = document.paths[path][method.toLowerCase()];
    const names = parameters.map((row: { name: string }) => row.name);
    assert.equal(names.includes("Idempotency-Key"), method !== "GET", `${method} ${path}`);
    if (method !== "GET") continue;
    const content = responses["200"].content["application/json"];
    if (content === undefined) continue;
    const reference = content.schema.$ref.split("/").at(-1) ?? "";
    const { properties = {} } = document.components.schemas[reference];
    const rows = Object.values(properties).filter((member) => (member as { type?: string }).type === "array");
    const isList = "next_after" in properties;
    assert.equal(names.includes("limit") && names.includes("after"), isList, path);
    assert.equal(rows.length, isList || BOUNDED.has(path) ? 1 : 0, path);
    if (isList) lists++;
  }
  assert.equal(lists, 10);
});

Deno.test("patterns of the document mean the same to every reader", () => {
  for (const [, pattern = ""] of JSON.stringify(document).matchAll(/"pattern":"((?:[^"\\]|\\.)*)"/g)) {
    assert.doesNotMatch(pattern, /\\\\[pPwWdDsSbB]/, pattern);
    assert.match(pattern, /^\^.*\$$/);
  }
});
