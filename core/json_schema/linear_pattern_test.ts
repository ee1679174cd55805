import assert from "node:assert/strict";
import fc from "fast-check";
import { CheckWork, MAX_WORK, WorkExhausted } from "./check_work.ts";
import { linearPattern, MAX_PATTERN_LENGTH, PatternMatcher } from "./linear_pattern.ts";
import { MAX_PATTERN_STEPS } from "./pattern_program.ts";

const free = () => {};

function matches(source: string, text: string): boolean | undefined {
  const program = linearPattern(source);
  return program === undefined ? undefined : new PatternMatcher(program, free).matches(text, free);
}

/** Patterns of everything that is understood, as `u` mode wants them. */
const { pattern: PATTERN } = fc.letrec<{ pattern: string; term: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { maxDepth: 3 },
    {
      weight: 6,
      arbitrary: fc.constantFrom(..."ab1_- €\u2028\n😀", ".", "\\$", "\\.", "\\/", "\\^", "\\\\"),
    },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        ...[
          "\\d",
          "\\D",
          "\\w",
          "\\W",
          "\\s",
          "\\S",
          "\\n",
          "\\u0061",
          "\\u{1F600}",
          "\\uD83D\\uDE00",
          "\\x24",
        ],
        ...["\\p{L}", "\\P{L}", "\\p{Script=Greek}", "\\cJ", "\\x00", "\\u20AC", "\\uD83D"],
      ),
    },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        ...["[ab]", "[^ab]", "[a-c1-3]", "[$]", "[^$]", "[$|)]", "[\\w-]", "[\\]\\-^]", "[]", "[^]", "[\\b]"],
        ...["[\\d.]", "[^\\s\\D]", "[\\p{L}1]", "[^\\P{L}a]", "[😀-😂]", "[\\u{1F600}-\\u{1F610}€]", "[.]"],
      ),
    },
    { weight: 3, arbitrary: tie("pattern").map((inner) => `(${inner})`) },
    { weight: 2, arbitrary: tie("pattern").map((inner) => `(?:${inner})`) },
  ),
  term: fc.oneof(
    { maxDepth: 3 },
    { weight: 5, arbitrary: tie("atom") },
    { weight: 2, arbitrary: fc.constantFrom("^", "$", "\\b", "\\B") },
    {
      weight: 3,
      arbitrary: fc.tuple(
        tie("atom"),
        fc.constantFrom("*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,3}?", "{2,}", "{0}", "{0,0}"),
      ).map(([atom, quantifier]) => atom + quantifier),
    },
  ),
  pattern: fc.array(fc.array(tie("term"), { maxLength: 4 }), { minLength: 1, maxLength: 3 })
    .map((choices) => choices.map((terms) => terms.join("")).join("|")),
}));
const TEXT = fc.string({
  unit: fc.constantFrom(..."ab1$_- €.\n^é😀😁\0", "\u2028", "\ud83d", "α", "z", ")"),
  maxLength: 6,
});

/** The V8 of Deno 2.6 finds no pair of surrogates before an end. */
const READS_PAIRS = new RegExp("[^$]$", "u").test("😁");

Deno.test("linearPattern() finds what the engine of the language finds", () => {
  let understood = 0;
  fc.assert(
    fc.property(PATTERN, fc.array(TEXT, { minLength: 1, maxLength: 8 }), (source, texts) => {
      const program = linearPattern(source);
      assert.ok(program !== undefined, `not understood: ${source}`);
      understood++;
      const expected = new RegExp(source, "u");
      const matcher = new PatternMatcher(program, free);
      for (const text of texts) {
        // V8 looks for `\B` between the halves of a surrogate pair, where ECMA-262 has no place.
        const isMisread = source.includes("\\B") || !READS_PAIRS;
        if (isMisread && /[\u{10000}-\u{10ffff}]/u.test(text)) continue;
        assert.equal(
          matcher.matches(text, free),
          expected.test(text),
          `${source} on ${JSON.stringify(text)}`,
        );
      }
    }),
    { numRuns: 1_000 },
  );
  assert.equal(understood, 1_000);
});

Deno.test("linearPattern() reads a dollar sign as what it stands for", () => {
  for (
    const [source, accepted, refused] of [
      ["^(\\$|€)\\d+$", ["$5", "€5"], ["5", "$5\n", "5$"]],
      ["^\\d+\\$", ["5$"], ["5", "5\\z"]],
      ["^[$|]x", ["$x", "|x"], ["zx", "\\x"]],
      ["^a\\\\$", ["a\\"], ["a\\$", "a"]],
      ["(a$|b)", ["a", "bc"], ["ac"]],
      ["\\$$", ["1$"], ["$1"]],
    ] as const
  ) {
    for (const text of accepted) assert.equal(matches(source, text), true, `${source} on ${text}`);
    for (const text of refused) assert.equal(matches(source, text), false, `${source} on ${text}`);
  }
});

Deno.test("linearPattern() reads what many schemas write and `u` mode refuses", () => {
  for (
    const [source, accepted, refused] of [
      ["^[\\w-.]+$", "a-.b", "a b"],
      ["^a\\-b\\_\\@$", "a-b_@", "ab"],
      ["^{[a-z]+}$", "{abc}", "abc"],
      ["^x]$", "x]", "x"],
      ["^(?P<year>\\d{4})-(?<month>\\d\\d)$", "2026-11", "26-11"],
    ] as const
  ) {
    assert.equal(matches(source, accepted), true, source);
    assert.equal(matches(source, refused), false, source);
  }
});

Deno.test("linearPattern() understands no pattern that needs back-tracking, is wrong, or means another thing elsewhere", () => {
  for (
    const source of [
      ...["(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(a)\\1", "(?<n>a)\\k<n>", "(?i)a", "(?i:a)", "a\\Z", "\\Aa"],
      ...[
        "(",
        ")",
        "a)",
        "[",
        "[a",
        "[b-a]",
        "a**",
        "*a",
        "a{2,1}",
        "{1}",
        "a{,3}",
        "^*",
        "\\",
        "\\q",
        "\\x1",
      ],
      ...["\\p{Nothing}", "\\pL", "\\u{110000}", "(?", "(?<", "(?<1>a)", "\\01", "\\p{constructor}"],
      ...["a{99999999999}", `${"a".repeat(MAX_PATTERN_LENGTH)}b`, "((a{100}){100}){100}", "((){1000}){1000}"],
      ...[
        `.{0,${MAX_PATTERN_STEPS}}`,
        ".{0,1000}".repeat(20),
        "(x*){1000}".repeat(20),
        "[a-z]{1,1000}".repeat(70),
      ],
    ]
  ) assert.equal(linearPattern(source), undefined, source);
  assert.ok(linearPattern("^[a-z0-9]{1,1000}$") !== undefined);
});

Deno.test("linearPattern() reads or refuses any text in a moment", () => {
  const unit = fc.constantFrom(..."()[]{}|*+?^$\\-,.:<>=!PpuxcdwsbB019aék😀");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 40 }), fc.string({ unit, maxLength: 10 }), (source, text) => {
      const found = matches(source, text);
      let expected: RegExp;
      try {
        expected = new RegExp(source, "u");
      } catch {
        return;
      }
      const isComparable = !source.includes("\\B") || !text.includes("😀");
      if (found !== undefined && isComparable) assert.equal(found, expected.test(text), source);
    }),
    { numRuns: 2_000 },
  );
  for (const part of ["(", "(?:", "a|", "[", "(a{2}", "\\", "{", "a{", "(?<a", "\\p{", "\\u{"]) {
    linearPattern(part.repeat(Math.floor(MAX_PATTERN_LENGTH / part.length)));
  }
});

Deno.test("a match stops when the work is used up, whatever the pattern", () => {
  for (
    const source of [
      ...[
        ".{0,800}[yz]",
        "(x?){1600}q",
        "(x*)*q",
        "(x+x+)+q",
        "(x|xx|xxx)*q",
        "[xy]*x[xy]{60}q",
        "\\b\\B|\\p{Lu}",
      ],
      ...[".*.*.*.*q", "(.{0,40}){0,40}q"],
    ]
  ) {
    const program = linearPattern(source);
    assert.ok(program !== undefined, source);
    let spent = 0;
    const charge = (units: number) => {
      spent += units;
      if (spent > MAX_WORK) throw new WorkExhausted();
    };
    const matcher = new PatternMatcher(program, charge);
    try {
      assert.equal(matcher.matches("x".repeat(8_000_000), charge), false, source);
    } catch (error) {
      assert.ok(error instanceof WorkExhausted, String(error));
    }
    assert.ok(spent < 2 * MAX_WORK, source);
  }
  assert.throws(() => new CheckWork("").charge(MAX_WORK + 1), WorkExhausted);
});

Deno.test("linearPattern() reads a pattern in time that grows with its length only, also one that it does not understand", () => {
  const ends = [["{", "{", "z}(?="], ["(?<", "(?<", ">"], ["\\p{", "\\p{", "}"], [
    "\\u{",
    "\\u{",
    "}",
  ]] as const;
  for (const [first, unit, end] of ends) {
    const source = `a${first}${unit.repeat(Math.floor(980 / unit.length))}${end}`.slice(0, 1_000);
    const startedMs = performance.now();
    for (let n = 0; n < 300; n++) linearPattern(source);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 500, `300 times "${source.slice(0, 12)}..." took ${tookMs} ms`);
  }
  for (const source of ["^a{", "^a{x}$", "^a{}$", `^a${"{".repeat(30)}$`]) {
    assert.ok(linearPattern(source) !== undefined, source);
  }
  assert.equal(linearPattern("a{000000000000000000000000000001}"), undefined);
});
