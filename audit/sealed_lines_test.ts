import assert from "node:assert/strict";
import { LineSeal, splitLines, unverifiedText } from "./sealed_lines.ts";

const KEY = new Uint8Array(32).fill(7);
const bytes = (text: string) => new TextEncoder().encode(text);

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const whole = bytes(text);
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
}

const sealed = (...texts: string[]) => {
  const seal = new LineSeal(KEY);
  return texts.map((text) => seal.seal(text).slice(0, -1));
};
const opened = (lines: readonly string[], key = KEY) => {
  const seal = new LineSeal(key);
  return lines.map((line) => seal.open(line));
};

Deno.test("open() gives back what was sealed, in the same order", () => {
  const lines = sealed("one", "zwei ✓", "");
  assert.deepEqual(opened(lines), ["one", "zwei ✓", ""]);
  assert.equal(unverifiedText(lines[0]!), "one");
});

Deno.test("seal() gives the lines that docs/reference/audit.md prints, made with another program", async () => {
  const page = await Deno.readTextFile(new URL("../docs/reference/audit.md", import.meta.url));
  assert.deepEqual(sealed("one", "two"), [
    "49040a3b6face7b61a41a7f5562f878ad29a57a6c530c58a1afaa8727f74df5f one",
    "1c9ca2e824d7f92b757cf782d47d34c01185b5c90531cec6ede253c6fa1e260e two",
  ]);
  for (const line of sealed("one", "two")) assert.ok(page.includes(line), line);
});

Deno.test("open() refuses every line that is not what was sealed there", () => {
  const lines = sealed("one", "two", "three");
  const [one = "", two = "", three = ""] = lines;
  const flipped = two.replace("two", "twe");
  const cases: [string, readonly string[], number][] = [
    ["another key", lines, 0],
    ["a changed text", [one, flipped, three], 1],
    ["a changed seal", [`${one[0] === "0" ? "1" : "0"}${one.slice(1)}`, two, three], 0],
    ["a missing line", [one, three], 1],
    ["swapped lines", [two, one, three], 0],
    ["a line twice", [one, one, two], 1],
    ["no seal", ["one"], 0],
    ["no space", [one.replace(" ", "_")], 0],
    ["an empty line", [""], 0],
  ];
  for (const [what, given, first] of cases) {
    const found = opened(given, what === "another key" ? new Uint8Array(32).fill(8) : KEY);
    assert.equal(found.indexOf(undefined), first, what);
  }
  assert.throws(() => new LineSeal(KEY).seal("a\nb"), RangeError);
  assert.throws(() => new LineSeal(new Uint8Array(16)), RangeError);
});

Deno.test("splitLines() tells a last line without its end, whatever the pieces, and bounds what it holds", async () => {
  const read = async (text: string, size: number, maxBytes = 100) => {
    const lines = [];
    for await (const line of splitLines(inPieces(text, size), maxBytes)) lines.push(line);
    return lines;
  };
  for (const size of [1, 2, 3, 100]) {
    assert.deepEqual(await read("ä\n\nbc\nto", size), [
      { text: "ä", isWhole: true },
      { text: "", isWhole: true },
      { text: "bc", isWhole: true },
      { text: "to", isWhole: false },
    ]);
  }
  assert.deepEqual(await read("", 5), []);
  const long = await read("x".repeat(1_000), 50);
  assert.ok(long.length > 5 && long.every(({ text }) => text.length <= 150));
});
