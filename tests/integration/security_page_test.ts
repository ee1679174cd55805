/** SECURITY.md promises only what the code and the tests hold. */
import assert from "node:assert/strict";
import * as z from "zod";
import { configSchema } from "../../core/config.ts";

const read = (path: string) => Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
const page = read("SECURITY.md");
/** The cells of every row of every table. */
const rows = page.split("\n").filter((line) => line.startsWith("|"))
  .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));

/** Why a quoted test does not exist, or `undefined`. */
function missing(file: string, name: string): string | undefined {
  let source: string;
  try {
    source = read(file);
  } catch {
    return `there is no ${file}`;
  }
  const isThere = [`"${name}"`, `\`${name}\``].some((quoted) => source.includes(quoted));
  return isThere ? undefined : `${file} has no test "${name}"`;
}

const quotes = [...page.matchAll(/`([^`\n]+_test\.\w+) › ([^`\n]+)`/g)].map(([, file = "", name = ""]) => ({
  file,
  name,
}));

Deno.test("every test that SECURITY.md quotes exists", () => {
  assert.ok(quotes.length >= 60, `${quotes.length} quotes`);
  assert.deepEqual(
    quotes.map(({ file, name }) => missing(file, name)).filter((problem) => problem !== undefined),
    [],
  );
  const named = page.match(/[\w/]+_test\.\w+/g) ?? [];
  assert.equal(named.length, quotes.length, "a test file is named without saying which test");
  assert.match(missing("core/glob_test.ts", "no such test") ?? "", /has no test/);
  assert.match(missing("core/no_such_test.ts", "x") ?? "", /there is no/);
});

Deno.test("SECURITY.md walks both OWASP lists row by row, each with a test or a plain no", () => {
  for (const list of ["ASI", "MCP"]) {
    const found = rows.filter(([threat = ""]) => new RegExp(`^${list}\\d\\d `).test(threat));
    const numbers = Array.from({ length: 10 }, (_, index) => `${list}${String(index + 1).padStart(2, "0")}`);
    assert.deepEqual(found.map(([threat = ""]) => threat.slice(0, 5)), numbers);
    for (const [threat, control = "", shown = ""] of found) {
      assert.ok(control.length > 30, threat);
      assert.ok(
        shown === "not in this version" || /^`[^`]+ › [^`]+`(, `[^`]+ › [^`]+`)*$/.test(shown),
        threat,
      );
    }
  }
});

const FACTORS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, s: 1000, min: 60_000 };

/** `30 s` is 30,000 where the code counts milliseconds. */
function valueOf(text: string, countsMs: boolean): number {
  const [, digits = "", unit = ""] = /^([\d,]+)(?: (\w+))?$/.exec(text) ?? [];
  const factor = /^(s|min)$/.test(unit) && !countsMs ? 1 : FACTORS[unit] ?? 1;
  return Number(digits.replaceAll(",", "")) * factor;
}

/** The number that a source file gives a name: a constant, or the default of an option. */
function constantOf(file: string, name: string): number {
  const [, expression = ""] = new RegExp(`\\b${name} = ([\\d_]+(?: \\* [\\d_]+)*)`).exec(read(file)) ?? [];
  return expression.split(" * ").reduce((product, factor) => product * Number(factor.replaceAll("_", "")), 1);
}

/** The default of a member of the configuration. */
function defaultOf(path: string): unknown {
  // deno-lint-ignore no-explicit-any
  const schema: any = z.toJSONSchema(configSchema, { io: "input" });
  const [first = "", second] = path.split(".");
  const member = schema.properties[first];
  return second === undefined ? member?.default : member?.additionalProperties?.properties?.[second]?.default;
}

Deno.test("every limit that SECURITY.md gives is the one in the code", () => {
  const start = rows.findIndex(([, limit]) => limit === "limit");
  const limits = rows.slice(
    start + 2,
    rows.findIndex(([threat], index) => index > start && threat === "threat"),
  );
  assert.ok(limits.length >= 30, `${limits.length} limits`);
  for (const [what = "", limit = "", where = ""] of limits) {
    const [, member] = /^configuration `([\w.]+)`$/.exec(where) ?? [];
    const [, file = "", name = ""] = /^`([\w/]+\.ts)` `(\w+)`$/.exec(where) ?? [];
    const actual = member === undefined ? constantOf(file, name) : defaultOf(member);
    assert.equal(valueOf(limit, /_ms$/i.test(member ?? name)), actual, `${what}: ${where}`);
  }
});
