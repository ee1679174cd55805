import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeBase64url } from "../base64url.ts";
import type { JsonObject } from "../json.ts";
import { encodeBlock } from "./block.ts";
import { type CapabilityToken, readCapabilityToken } from "./capability_token.ts";
import {
  findScopeRefusal,
  GOVERNED_METHODS,
  MAX_NAME_CHARACTERS,
  mayCallTool,
  namesToolExactly,
  type ScopedCall,
} from "./scope.ts";

const ROOT: JsonObject = {
  kid: "k1",
  jti: encodeBase64url(new Uint8Array(16)),
  iss: "intentgate",
  aud: "log",
  tenant: "acme",
  sub: "agent",
  iat: 1000,
  exp: 2000,
  upstreams: ["*"],
  tools: ["*"],
};

function tokenOf(root: JsonObject, ...later: readonly JsonObject[]): CapabilityToken {
  const blocks = [{ ...ROOT, ...root }, ...later].map(encodeBlock);
  return readCapabilityToken({ blocks, tag: new Uint8Array(32) });
}

const words = fc.constantFrom("a", "b", "a__a", "b__a", "a__b__a", "*", "a*", "?", "a__*", "*__b", "b*a");
const names = fc.constantFrom("a", "b", "ab", "a__a", "b__a", "file:///a", "");
const list = fc.array(words, { maxLength: 3 });
const schema = fc.record({
  type: fc.constant("object"),
  properties: fc.dictionary(
    fc.constantFrom("x", "y"),
    fc.oneof(
      fc.record({ type: fc.constant("integer"), maximum: fc.nat(3), optional: fc.boolean() }),
      fc.record({ type: fc.constant("string"), glob: words }),
      fc.record({ type: fc.constant("array"), items: fc.constant({ type: "integer", minimum: 1 }) }),
    ),
    { maxKeys: 2 },
  ),
  additionalProperties: fc.boolean(),
});
const everyRestriction = {
  exp: fc.integer({ min: 1001, max: 3000 }),
  nbf: fc.integer({ min: 0, max: 3000 }),
  upstreams: list,
  methods: fc.array(fc.constantFrom("tools/call", "tools/*", "*", "prompts/get", "resources/*"), {
    maxLength: 2,
  }),
  tools: list,
  deny_tools: list,
  prompts: list,
  resources: fc.array(fc.constantFrom("file:///**", "a", "*"), { maxLength: 2 }),
  args: fc.dictionary(words, schema, { maxKeys: 2 }),
};
/** Few restrictions per block: with many of them nearly every call would be refused by all tokens alike. */
const restrictions = fc.subarray(Object.keys(everyRestriction), { maxLength: 2 }).chain((chosen) =>
  fc.record(Object.fromEntries(Object.entries(everyRestriction).filter(([name]) => chosen.includes(name))))
).map((block) => block as JsonObject);
const later = fc.array(restrictions, { maxLength: 3 });
const calls: fc.Arbitrary<ScopedCall> = fc.record({
  upstream: fc.constantFrom("a", "b", "ab"),
  method: fc.constantFrom(...GOVERNED_METHODS.keys(), "completion/complete"),
  name: names,
  arguments: fc.dictionary(
    fc.constantFrom("x", "y", "X", "z"),
    fc.oneof(fc.nat(4), fc.constantFrom("a", "b"), fc.array(fc.nat(2), { maxLength: 2 })),
  ) as fc.Arbitrary<JsonObject>,
});

Deno.test("findScopeRefusal() never allows a child what it refuses the parent", () => {
  let allowed = 0;
  fc.assert(
    fc.property(restrictions, later, restrictions, calls, (root, blocks, added, call) => {
      const parent = tokenOf(root, ...blocks);
      const child = tokenOf(root, ...blocks, added);
      assert.equal(child.flaw, undefined);
      if (findScopeRefusal(child, call) === undefined) {
        allowed++;
        assert.equal(findScopeRefusal(parent, call), undefined);
      }
      if (mayCallTool(child, call.upstream, call.name)) {
        assert.ok(mayCallTool(parent, call.upstream, call.name));
      }
      assert.ok(child.principal.expiresAt <= parent.principal.expiresAt);
      assert.ok(child.notBefore >= parent.notBefore);
      assert.equal(
        namesToolExactly(child, call.upstream, call.name),
        namesToolExactly(parent, call.upstream, call.name),
      );
      assert.deepEqual({ ...child.root }, { ...parent.root, restrictions: child.root.restrictions });
    }),
    { numRuns: 4000 },
  );
  assert.ok(allowed > 200, `only ${allowed} allowed calls: the property would prove little`);
});

Deno.test("mayCallTool() lists exactly what findScopeRefusal() does not call unavailable", () => {
  fc.assert(
    fc.property(restrictions, later, calls, (root, blocks, { upstream, name, arguments: args }) => {
      const token = tokenOf(root, ...blocks);
      const refusal = findScopeRefusal(token, { upstream, method: "tools/call", name, arguments: args });
      assert.equal(mayCallTool(token, upstream, name), refusal?.code !== "not_available");
    }),
    { numRuns: 2000 },
  );
});

Deno.test("findScopeRefusal() never shows a value of the arguments", () => {
  const token = tokenOf({
    args: { "*": { type: "object", properties: { a: { type: "string", maxLength: 3 } } } },
  });
  const call = { upstream: "a", method: "tools/call", name: "pay", arguments: { a: "secret-value" } };
  assert.deepEqual(findScopeRefusal(token, call), {
    code: "arguments_refused",
    reason: 'The token does not allow the argument at "/a"',
  });
});

Deno.test("findScopeRefusal() answers every name out of scope with the same text", () => {
  const token = tokenOf({ upstreams: ["a"], tools: ["x"], methods: ["tools/call"], deny_tools: ["y"] });
  const call = { upstream: "a", method: "tools/call", name: "x", arguments: {} };
  assert.equal(findScopeRefusal(token, call), undefined);
  const refusals = [{ upstream: "b" }, { name: "y" }, { name: "z" }, { name: "" }, { method: "tools/list" }]
    .map((change) => findScopeRefusal(token, { ...call, ...change }));
  assert.equal(new Set(refusals.map((refusal) => JSON.stringify(refusal))).size, 1);
  assert.equal(refusals[0]?.code, "not_available");
});

Deno.test("findScopeRefusal() covers no name that is too long to match quickly", () => {
  const token = tokenOf({ prompts: ["*"], resources: ["**"] });
  const name = "x".repeat(MAX_NAME_CHARACTERS);
  for (const method of ["tools/call", "prompts/get"]) {
    const call = { upstream: "a", method, name, arguments: {} };
    assert.equal(findScopeRefusal(token, call), undefined);
    assert.equal(findScopeRefusal(token, { ...call, name: `${name}x` })?.code, "not_available");
  }
});

Deno.test("namesToolExactly() asks block 0 only", () => {
  assert.equal(namesToolExactly(tokenOf({}, { tools: ["pay"] }), "a", "pay"), false);
  assert.equal(namesToolExactly(tokenOf({ tools: ["pay"] }, { tools: ["*"] }), "a", "pay"), true);
  assert.equal(namesToolExactly(tokenOf({ tools: ["a__pay"] }), "b", "pay"), false);
  assert.equal(namesToolExactly(tokenOf({ tools: ["*__pay", "pa?"] }), "a", "pay"), false);
});
