import assert from "node:assert/strict";
import fc from "fast-check";
import { EndlessLine, idOfLongLine, LineSplitter, type SplitLine } from "./line_splitter.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (lines: readonly SplitLine[]) =>
  lines.map((line) => line.kind === "line" ? line.text : line.kind);

Deno.test("LineSplitter gives the same lines however the bytes are cut", () => {
  fc.assert(fc.property(
    fc.array(fc.stringMatching(/^[a-z\u00e9\u{1f600}]{1,12}$/u), { maxLength: 8 }),
    fc.array(fc.nat(40), { maxLength: 6 }),
    (lines, cuts) => {
      const whole = bytes(lines.map((line) => `${line}\n`).join(""));
      const splitter = new LineSplitter(100);
      const found: string[] = [];
      let from = 0;
      for (const cut of [...cuts.map((at) => at % (whole.length + 1)).sort((a, b) => a - b), whole.length]) {
        found.push(...texts(splitter.push(whole.subarray(from, cut))));
        from = cut;
      }
      assert.deepEqual(found, lines);
    },
  ));
});

Deno.test("LineSplitter passes over empty lines, takes CRLF, and reports what is not UTF-8", () => {
  const splitter = new LineSplitter(100);
  assert.deepEqual(texts(splitter.push(bytes("\n a \r\n\n\r\n"))), ["a"]);
  assert.deepEqual(texts(splitter.push(new Uint8Array([0xff, 0x0a]))), ["not_utf8"]);
});

Deno.test("LineSplitter keeps only both ends of a line that is too long, and goes on after it", () => {
  const splitter = new LineSplitter(300);
  const long = `{"jsonrpc":"2.0","id":7,"result":{"text":"${"x".repeat(900)}"}}\n{"a":1}\n`;
  const found = [...long.matchAll(/[^]{1,7}/g)].flatMap(([part]) => splitter.push(bytes(part)));
  assert.deepEqual(texts(found), ["too_long", '{"a":1}']);
  assert.ok(found[0]?.kind === "too_long" && idOfLongLine(found[0]) === 7);
});

Deno.test("LineSplitter gives up a line that never ends", () => {
  const splitter = new LineSplitter(10);
  assert.throws(() => splitter.push(bytes("x".repeat(81))), EndlessLine);
  assert.deepEqual(texts(splitter.push(bytes("next\n"))), ["next"]);
});

Deno.test("idOfLongLine() finds the id first or last, and none elsewhere", () => {
  assert.equal(idOfLongLine({ head: '{"id": 3,"jsonrpc":"2.0"', tail: "" }), 3);
  assert.equal(idOfLongLine({ head: '{"result":{', tail: '}],"x":1},"jsonrpc":"2.0","id":12}' }), 12);
  assert.equal(idOfLongLine({ head: '{"result":{"id":3,', tail: '"id":4}}' }), undefined);
  assert.equal(idOfLongLine({ head: "junk", tail: "junk" }), undefined);
});
