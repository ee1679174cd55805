import assert from "node:assert/strict";
import { printable, printableLine } from "./printable.ts";
import { printRows } from "./rows.ts";

Deno.test("printable() leaves nothing that a terminal obeys, and JSON as it was", () => {
  const evil = "a\u001b[2J\u0007\u009b31mb\u202ec\u2028d\u007f\r";
  assert.equal(printable(evil), "a\\u001b[2J\\u0007\\u009b31mb\\u202ec\\u2028d\\u007f\\u000d");
  assert.equal(printable("two\nlines\tand an umlaut: ü, 日本"), "two\nlines\tand an umlaut: ü, 日本");
  assert.deepEqual(JSON.parse(printable(JSON.stringify({ name: evil }))), { name: evil });
});

Deno.test("printableLine() and printRows() keep a name from beginning a line of its own", () => {
  assert.equal(printableLine("a\nroot  admin"), "a\\u000aroot  admin");
  const lines: string[] = [];
  printRows({ print: (line) => lines.push(line) }, ["NAME", "X"], [["a\nb\u001b[0m", "1"], ["ü", "2"]]);
  assert.deepEqual(lines, ["NAME               X", "a\\u000ab\\u001b[0m  1", "ü                  2"]);
});
