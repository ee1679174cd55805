import assert from "node:assert/strict";
import * as fc from "fast-check";
import { eventFilter } from "./event_filter.ts";
import { cell, TABLE_HEADER, tableLines } from "./event_table.ts";

const row = (seq: number, event: unknown) => ({ seq, canonical: JSON.stringify(event), hash: "00" });

Deno.test("cell() gives no spreadsheet anything to compute", () => {
  const formulas = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
    "\0=1",
    " =1",
    "'=1",
    '"=1',
  ];
  for (const formula of formulas) assert.match(cell(formula), /^"?'/, formula);
  assert.equal(cell('a"b,c\r\nd'), '"a""b,c\r\nd"');
  assert.equal(cell("x;=cmd|' /C calc'!A0"), `"x;'=cmd|' /C calc'!A0"`);
  assert.equal(cell("a\t=1+1"), `"a\t'=1+1"`);
  assert.equal(cell("\t=1"), `"'\t'=1"`);
  assert.equal(cell('x; "=1'), `"x; ""'=1"`);
  for (const quoted of ["a;b", "a\tb", "a|b", "it's", " a", "a\u00a0"]) assert.match(cell(quoted), /^".*"$/);
  for (const plain of ["pay_invoice", "a-b/c", "2027-01-01T00:00:00.000Z", "fe80::1"]) {
    assert.equal(cell(plain), plain);
  }
  assert.equal(cell(undefined), "");
  assert.equal(cell(17), "17");
});

Deno.test("cell() takes no longer for a text that is made of white space, quotes and separators", () => {
  for (const text of ["\t", " ", '"', "; ", "\t'"]) {
    const startedMs = performance.now();
    cell(text.repeat(50_000));
    cell(`${text.repeat(50_000)}x`);
    assert.ok(performance.now() - startedMs < 500, JSON.stringify(text));
  }
});

/** RFC 4180, written apart from what is tested. */
function parseCsv(text: string): string[][] {
  const cells = [...text.matchAll(/("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/g)];
  const rows: string[][] = [[]];
  for (const [, value = "", end] of cells) {
    rows.at(-1)?.push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (end === "\r\n") rows.push([]);
  }
  return rows.slice(0, -1);
}

/** Every text that some reader takes for a cell, whatever separates cells there. */
function beginnings(text: string): string[] {
  return text.split(/[,;|\t\r\n]/).map((piece) => piece.replace(/^["\s]+/, ""));
}

Deno.test("tableLines() writes CSV that reads back as it was, but for the apostrophes", () => {
  const columns = parseCsv(TABLE_HEADER)[0]?.length;
  const hostile = fc.string({ unit: fc.constantFrom(..."=+-@;,|\t\r\n\"' a\0\uff1d") });
  const without = (text: string | undefined) => text?.replaceAll("'", "");
  fc.assert(fc.property(fc.oneof(fc.string(), hostile), fc.string({ unit: "binary" }), (agent, code) => {
    const text = tableLines([row(1, { actor: { app_uid: agent }, status_code: code, time: 0 })], undefined);
    const [cells, ...more] = parseCsv(text);
    assert.deepEqual([cells?.length, more.length], [columns, 0]);
    assert.equal(cells?.[0], "1");
    assert.equal(cells?.[1], "1970-01-01T00:00:00.000Z");
    assert.equal(without(cells?.[3]), without(agent));
    for (const begins of [...beginnings(text), ...(cells ?? []).flatMap(beginnings)]) {
      assert.doesNotMatch(begins, /^[=+\-@\0\uff1d\uff0b\uff0d\uff20]/);
    }
  }));
});

Deno.test("eventFilter() keeps what fits all terms, and is none without terms", () => {
  assert.equal(eventFilter({}), undefined);
  const event = {
    ...{ time: 10_000, actor: { app_uid: "bot" }, api: { operation: "pay", service: { name: "erp" } } },
    unmapped: { decision: "block" },
  };
  const keeps = (terms: Parameters<typeof eventFilter>[0]) => eventFilter(terms)?.keeps(event);
  assert.equal(keeps({ agent: "bot", tool: "pay", upstream: "erp", decision: "block" }), true);
  assert.equal(keeps({ from_time: 10, to_time: 11 }), true);
  for (const terms of [{ agent: "x" }, { tool: "x" }, { upstream: "x" }, { decision: "allow" }]) {
    assert.equal(keeps({ ...terms, from_time: 10 }), false, JSON.stringify(terms));
  }
  assert.deepEqual([keeps({ from_time: 11 }), keeps({ to_time: 10 })], [false, false]);
  assert.deepEqual(eventFilter({ agent: "a", from_time: 5 })?.terms, { agent: "a", from_time: "5" });
  assert.equal(tableLines([row(1, event)], eventFilter({ agent: "else" })), "");
});
