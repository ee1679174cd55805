import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseStrictJson,
  parseStrictJsonBytes,
  StrictJsonError,
  type StrictJsonErrorCode,
} from "./strict_json.ts";

function refusal(text: string, maxDepth?: number): StrictJsonError {
  try {
    parseStrictJson(text, maxDepth === undefined ? {} : { maxDepth });
  } catch (error) {
    assert.ok(error instanceof StrictJsonError, String(error));
    return error;
  }
  assert.fail(`accepted ${text}`);
}

const REFUSED: readonly (readonly [string, StrictJsonErrorCode, string])[] = [
  ['{"a":1,"a":1}', "duplicate_name", "/a"],
  ['{"a":1,"\\u0061":1}', "duplicate_name", "/a"],
  ['{"x":[0,{"p/q":{"~":1,"b":2,"\\u007e":3}}]}', "duplicate_name", "/x/1/p~1q/~0"],
  ['{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"c":3}', "duplicate_name", "/c"],
  ['{"":1,"":2}', "duplicate_name", "/"],
  ['{"__proto__":1}', "forbidden_name", "/__proto__"],
  ['{"a":{"\\u005f_proto__":{}}}', "forbidden_name", "/a/__proto__"],
  ['{"a\\u0000b":1}', "nul_in_name", "/a\0b"],
  ['"\\ud800"', "lone_surrogate", ""],
  ['"\\udc00\\ud800"', "lone_surrogate", ""],
  ['{"\\udfff":1}', "lone_surrogate", "/"],
  ['["\ud83d"]', "lone_surrogate", ""],
  ["9007199254740992", "unsafe_integer", ""],
  ["[-9007199254740993]", "unsafe_integer", "/0"],
  ["1e16", "unsafe_integer", ""],
  ["9007199254740993.0", "unsafe_integer", ""],
  ["0.10000000000000001", "inexact_number", ""],
  ['{"n":1e400}', "inexact_number", "/n"],
  ["1e-400", "inexact_number", ""],
  ["-1e-99999999999999999999", "inexact_number", ""],
  ["9007199254740990.5", "inexact_number", ""],
  ["3.14159265358979323846", "inexact_number", ""],
  ["", "syntax", ""],
  ["{} {}", "syntax", ""],
  ["[1,]", "syntax", ""],
  ["{'a':1}", "syntax", ""],
  ["01", "syntax", ""],
  ["NaN", "syntax", ""],
  ["[1] // note", "syntax", ""],
  ["\u00a0[]", "syntax", ""],
  ["\ufeff{}", "bom", ""],
];

for (const [text, code, path] of REFUSED) {
  Deno.test(`parseStrictJson() refuses ${JSON.stringify(text)} as ${code}`, () => {
    const error = refusal(text);
    assert.equal(error.code, code);
    assert.equal(error.path, path);
    assert.ok(error.offset >= 0 && error.offset <= text.length);
  });
}

Deno.test("parseStrictJson() accepts numbers that are what they parse to", () => {
  const texts = [
    "0",
    "-0",
    "0e9",
    "0.000",
    "1.0",
    "1e2",
    "1E+2",
    "0.1",
    "100e-3",
    "1.50",
    "9007199254740991",
  ];
  texts.push(
    "-9007199254740991",
    "5e-324",
    "1.7976931348623157e-300",
    "123456789012345.6",
    "9007199254740991.0",
  );
  for (const text of texts) assert.ok(Object.is(parseStrictJson(text), JSON.parse(text)), text);
});

Deno.test("parseStrictJson() counts nesting and refuses one level too much", () => {
  assert.deepEqual(parseStrictJson('[{"a":[]}]', { maxDepth: 3 }), [{ a: [] }]);
  assert.equal(refusal('[{"a":[[]]}]', 3).code, "too_deep");
  assert.equal(refusal("[".repeat(33) + "]".repeat(33)).code, "too_deep");
  assert.equal(refusal("[".repeat(200_000) + "]".repeat(200_000)).code, "too_deep");
});

Deno.test("parseStrictJson() says where the refused value stands", () => {
  assert.equal(refusal('{"a": 1, "a": 2}').offset, 9);
  assert.equal(refusal("[1, 9007199254740993]").offset, 4);
});

Deno.test("parseStrictJsonBytes() refuses a byte order mark and invalid UTF-8", () => {
  const refuses = (bytes: number[], code: StrictJsonErrorCode) =>
    assert.throws(() => parseStrictJsonBytes(new Uint8Array(bytes)), { name: "StrictJsonError", code });
  refuses([0xef, 0xbb, 0xbf, 0x7b, 0x7d], "bom");
  refuses([0x22, 0xff, 0x22], "invalid_utf8");
  refuses([0x22, 0xed, 0xa0, 0x80, 0x22], "invalid_utf8");
  refuses([0x22, 0xc0, 0x80, 0x22], "invalid_utf8");
  assert.deepEqual(parseStrictJsonBytes(new TextEncoder().encode('{"é":"😀"}')), { é: "😀" });
});

/** Doubles whose own shortest form is accepted: everything but integers beyond 2^53-1. */
const exactNumber = fc.double({ noNaN: true, noDefaultInfinity: true })
  .filter((value) => !Number.isInteger(value) || Number.isSafeInteger(value));
const name = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0") && text !== "__proto__");
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    fc.constantFrom(null, true, false),
    exactNumber,
    fc.string({ unit: "binary" }),
    fc.array(tie("any")),
    fc.dictionary(name, tie("any"), { noNullPrototype: true }),
  ),
})).any;

/** The same value spelled with other escapes and white space. */
function respell(text: string, seed: number): string {
  let state = seed;
  const next = (limit: number) => (state = (state * 1103515245 + 12345) % 2147483648) % limit;
  return text.replace(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g, (token) => {
    if (!token.startsWith('"')) return " \t\n\r".slice(0, next(3)) + token + (next(2) === 0 ? " " : "");
    return token.replace(
      /[a-z]/,
      (letter) => next(2) === 0 || token.includes("\\") ? letter : escapeOf(letter),
    );
  });
}
const escapeOf = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;

Deno.test("parseStrictJson() gives what JSON.parse gives for every value it accepts", () => {
  fc.assert(fc.property(value, fc.nat(), (sample, seed) => {
    const text = respell(JSON.stringify(sample), seed);
    assert.deepEqual(parseStrictJson(text), JSON.parse(text));
  }));
});

Deno.test("parseStrictJson() refuses a duplicate wherever it is planted", () => {
  const wrap = fc.array(fc.constantFrom("array", "object"), { maxLength: 10 });
  fc.assert(
    fc.property(
      fc.dictionary(name, value, { noNullPrototype: true }),
      name,
      value,
      wrap,
      (rest, twice, sample, outer) => {
        const members = [twice, ...Object.keys(rest).filter((key) => key !== twice), twice];
        let text = `{${members.map((key) => `${JSON.stringify(key)}:${JSON.stringify(sample)}`).join(",")}}`;
        for (const kind of outer) text = kind === "array" ? `[0,${text}]` : `{"a":1,"b":${text}}`;
        assert.equal(refusal(text, 64).code, "duplicate_name");
      },
    ),
  );
});

Deno.test("parseStrictJson() refuses a decimal exactly when a double cannot hold it", () => {
  const digits = fc.stringMatching(/^[1-9][0-9]{0,20}$/);
  fc.assert(fc.property(digits, fc.integer({ min: -25, max: 5 }), (whole, exponent) => {
    const text = `${whole}e${exponent}`;
    const parsed = Number(text);
    const [mantissa = "", power = "0"] = parsed.toExponential().split("e");
    const significant = mantissa.replace(".", "");
    const isExact = whole.replace(/0+$/, "") === significant.replace(/0+$/, "") &&
      whole.length - 1 + exponent === Number(power);
    const isSafe = !Number.isInteger(parsed) || Number.isSafeInteger(parsed);
    if (isExact && isSafe) assert.equal(parseStrictJson(text), parsed);
    else assert.match(refusal(text).code, /^(inexact_number|unsafe_integer)$/);
  }));
});

Deno.test("parseStrictJson() throws nothing but StrictJsonError for any text", () => {
  const fragment = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    '"a"',
    "1",
    "-",
    "e",
    ".",
    "null",
    "\\",
    " ",
  );
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }).map((parts) => parts.join("")), (text) => {
      try {
        assert.deepEqual(parseStrictJson(text), JSON.parse(text));
      } catch (error) {
        assert.ok(error instanceof StrictJsonError, `${text}: ${error}`);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("parseStrictJson() takes no more than linear time for a long number", () => {
  const startedMs = performance.now();
  assert.throws(() => parseStrictJson(`[0.1${"0".repeat(1_000_000)}1]`), StrictJsonError);
  assert.equal(parseStrictJson(`[0.1${"0".repeat(1_000_000)}]`)?.toString(), "0.1");
  assert.ok(performance.now() - startedMs < 2_000);
});
