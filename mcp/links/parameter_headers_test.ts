import assert from "node:assert/strict";
import fc from "fast-check";
import { headerValue, parameterHeaders, parameterHeaderValues } from "./parameter_headers.ts";

const decoded = (value: string) => {
  const inner = /^=\?base64\?(.*)\?=$/s.exec(value)?.[1];
  return inner === undefined
    ? value
    : new TextDecoder().decode(Uint8Array.from(atob(inner), (c) => c.charCodeAt(0)));
};

Deno.test("headerValue() is a header value that decodes to the text, whatever the text is", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("=?base64?eA==?=", "", " ", "a b")),
      (text) => {
        const value = headerValue(text);
        assert.doesNotThrow(() => new Headers({ "mcp-name": value }));
        assert.equal(new Headers({ "mcp-name": value }).get("mcp-name"), value);
        assert.equal(decoded(value), text);
      },
    ),
  );
  assert.equal(headerValue("read_invoice"), "read_invoice");
});

Deno.test("parameterHeaders() takes declarations on the chain of properties, and parameterHeaderValues() their values", () => {
  const declared = parameterHeaders({
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      where: { type: "object", properties: { floor: { type: "integer", "x-mcp-header": "Floor" } } },
      dry: { type: "boolean", "x-mcp-header": "Dry" },
      ratio: { type: "number", "x-mcp-header": "Ratio" },
      bad: { type: "string", "x-mcp-header": "no blanks" },
      list: { type: "array", items: { type: "string", "x-mcp-header": "Item" } },
    },
  });
  assert.deepEqual(declared.map(({ name }) => name), ["Region", "Floor", "Dry"]);
  assert.deepEqual(
    parameterHeaderValues(declared, { region: "Köln", where: { floor: 3 }, dry: false, ratio: 1 }),
    { "mcp-param-region": "=?base64?S8O2bG4=?=", "mcp-param-floor": "3", "mcp-param-dry": "false" },
  );
  assert.deepEqual(parameterHeaderValues(declared, { region: null, where: 5, dry: "yes" }), {
    "mcp-param-dry": "yes",
  });
});
