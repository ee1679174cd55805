import assert from "node:assert/strict";
import fc from "fast-check";
import { elementSpans, memberSpans, withMember, withSpan } from "./strict_json_spans.ts";

Deno.test("memberSpans() finds the values of a JSON-RPC answer and of what is inside", () => {
  const text = ' {"jsonrpc":"2.0", "id" : 12345678901234567890 ,"result": {"n":1.0,"_meta":{"a":[1,"}"]}}}\n';
  const top = memberSpans(text);
  const cut = (span?: { start: number; end: number }) => span && text.slice(span.start, span.end);
  assert.deepEqual([...top.keys()], ["jsonrpc", "id", "result"]);
  assert.equal(cut(top.get("id")), "12345678901234567890");
  const inside = memberSpans(text, top.get("result"));
  assert.equal(cut(inside.get("n")), "1.0");
  assert.equal(cut(inside.get("_meta")), '{"a":[1,"}"]}');
});

Deno.test("memberSpans() refuses a duplicate name, also an escaped one", () => {
  assert.throws(() => memberSpans('{"result":1,"\\u0072esult":2}'), { code: "duplicate_name" });
});

Deno.test("memberSpans() and elementSpans() refuse other kinds of values", () => {
  assert.throws(() => memberSpans("[]"), TypeError);
  assert.throws(() => elementSpans("{}"), TypeError);
});

Deno.test("withMember() leaves every other byte alone", () => {
  const text = '{"id":1e2,"result":{ "x":12345678901234567890}}';
  const result = memberSpans(text).get("result");
  assert.ok(result);
  assert.equal(
    withMember(text, result, "_meta", '{"d":1}'),
    '{"id":1e2,"result":{"_meta":{"d":1}, "x":12345678901234567890}}',
  );
  assert.equal(withMember(text, result, "x", "0"), '{"id":1e2,"result":{ "x":0}}');
  assert.equal(withMember("{}", { start: 0, end: 2 }, "a", "1"), '{"a":1}');
});

const object = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue(), { noNullPrototype: true });

Deno.test("memberSpans() cuts every object into the values JSON.parse sees", () => {
  fc.assert(fc.property(object, fc.constantFrom(0, 1, "\t"), (sample, space) => {
    const text = JSON.stringify(sample, null, space);
    const spans = memberSpans(text);
    const parsed: Record<string, unknown> = JSON.parse(text);
    assert.deepEqual([...spans.keys()].sort(), Object.keys(parsed).sort());
    for (const [name, span] of spans) {
      assert.deepEqual(JSON.parse(text.slice(span.start, span.end)), parsed[name]);
    }
  }));
});

Deno.test("elementSpans() cuts every array into its elements", () => {
  fc.assert(fc.property(fc.array(fc.jsonValue()), fc.constantFrom(0, 2), (sample, space) => {
    const text = JSON.stringify(sample, null, space);
    const elements = elementSpans(text).map((span) => JSON.parse(text.slice(span.start, span.end)));
    assert.deepEqual(elements, JSON.parse(text));
  }));
});

Deno.test("withMember() sets the member and nothing else", () => {
  fc.assert(fc.property(object, fc.string().filter((name) => name !== "__proto__"), (sample, name) => {
    const text = JSON.stringify(sample);
    const edited = withMember(text, { start: 0, end: text.length }, name, "[7]");
    assert.deepEqual(JSON.parse(edited), { ...JSON.parse(text), [name]: [7] });
  }));
});

Deno.test("withSpan() replaces exactly the span", () => {
  assert.equal(withSpan("abcd", { start: 1, end: 3 }, "X"), "aXd");
});
