import assert from "node:assert/strict";
import type { JsonObject } from "./json.ts";
import { digestOfDefinition, MAX_DEFINITION_LENGTH, toolFingerprint, toolSetDigest } from "./tool_digest.ts";

interface Vector {
  readonly what: string;
  readonly tool: JsonObject;
  readonly digest?: string;
}
const vectors: { readonly accept: readonly Vector[]; readonly reject: readonly Vector[] } = JSON.parse(
  Deno.readTextFileSync(new URL("../tests/vectors/tool_digest.json", import.meta.url)),
);

for (const { what, tool, digest } of vectors.accept) {
  Deno.test(`toolFingerprint() gives the digest of another implementation: ${what}`, () => {
    const fingerprint = toolFingerprint(tool);
    assert.equal(fingerprint?.digest, digest);
    assert.equal(digestOfDefinition(fingerprint?.definition ?? ""), digest);
  });
}

for (const { what, tool } of vectors.reject) {
  Deno.test(`toolFingerprint() refuses ${what}`, () => {
    assert.equal(toolFingerprint(tool), undefined);
  });
}

Deno.test("toolFingerprint() refuses a definition that is too long", () => {
  const tool = (length: number) => ({ name: "a", description: "x".repeat(length), inputSchema: {} });
  assert.ok(toolFingerprint(tool(MAX_DEFINITION_LENGTH - 100)) !== undefined);
  assert.equal(toolFingerprint(tool(MAX_DEFINITION_LENGTH)), undefined);
});

Deno.test("toolFingerprint() sees every change of what counts, and none of what does not", () => {
  const tool = {
    ...{ name: "a", title: "A", description: "d", inputSchema: { type: "object" } },
    ...{ outputSchema: {}, annotations: { readOnlyHint: true }, icons: [], _meta: { at: 1 } },
  };
  const digest = (changes: JsonObject) => toolFingerprint({ ...tool, ...changes })?.digest;
  for (const name of ["name", "title", "description", "inputSchema", "outputSchema", "annotations"]) {
    assert.notEqual(digest({ [name]: name === "name" ? "b" : { other: 1 } }), digest({}), name);
  }
  assert.equal(digest({ icons: [{ src: "x" }], _meta: { at: 2 }, execution: {} }), digest({}));
});

Deno.test("toolSetDigest() does not depend on the order of the list", () => {
  const [a, b] = [{ name: "a", digest: "v1:1" }, { name: "b", digest: "v1:2" }];
  assert.equal(toolSetDigest([a, b]), toolSetDigest([b, a]));
  assert.notEqual(toolSetDigest([a, b]), toolSetDigest([a]));
});
