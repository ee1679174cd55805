import assert from "node:assert/strict";
import fc from "fast-check";
import { nameGlob, uriGlob } from "./glob.ts";

/** The definition of a glob, word for word and exponentially slow. */
function naive(pattern: string, text: string, uri: boolean): boolean {
  if (pattern === "") return text === "";
  const boundary = (character: string | undefined) => uri && "/?#".includes(character!);
  if (uri && pattern.startsWith("**")) {
    return naive(pattern.slice(2), text, uri) || (text !== "" && naive(pattern, text.slice(1), uri));
  }
  if (pattern[0] === "*") {
    return naive(pattern.slice(1), text, uri) ||
      (text !== "" && !boundary(text[0]) && naive(pattern, text.slice(1), uri));
  }
  if (text === "") return false;
  if (pattern[0] === "?") return !boundary(text[0]) && naive(pattern.slice(1), text.slice(1), uri);
  return pattern[0] === text[0] && naive(pattern.slice(1), text.slice(1), uri);
}

const patterns = fc.string({ unit: fc.constantFrom("a", "b", "_", "*", "?"), maxLength: 8 });
const texts = fc.string({ unit: fc.constantFrom("a", "b", "_"), maxLength: 10 });

Deno.test("nameGlob() agrees with the naive definition", () => {
  fc.assert(
    fc.property(patterns, texts, (pattern, text) => {
      assert.equal(nameGlob(pattern).matches(text), naive(pattern, text, false));
    }),
    { numRuns: 3000 },
  );
});

Deno.test("uriGlob() agrees with the naive definition on plain URIs", () => {
  const uriPatterns = fc.string({ unit: fc.constantFrom("a", "b", "/", "*", "**", "?"), maxLength: 6 })
    // Three or more asterisks in a row mean the same as two; the naive definition knows only one and two.
    .map((pattern) => pattern.replace(/\*{3,}/g, "**"));
  const uris = fc.string({ unit: fc.constantFrom("a", "b", "/", "#"), maxLength: 8 });
  fc.assert(
    fc.property(uriPatterns, uris, (pattern, uri) => {
      const expected = /[*?]/.test(pattern) ? naive(pattern, uri, true) : pattern === uri;
      assert.equal(uriGlob(pattern).matches(uri), expected);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("nameGlob() matches code points and folds nothing", () => {
  assert.equal(nameGlob("?").matches("💶"), true);
  assert.equal(nameGlob("pay").matches("Pay"), false);
  assert.equal(nameGlob("p*").matches("p\nay"), true);
  assert.equal(nameGlob("").matches(""), true);
  assert.equal(nameGlob("pay").isExact, true);
  assert.equal(nameGlob("p?y").isExact, false);
});

Deno.test("uriGlob() lets only ** cross a slash, a query or a fragment", () => {
  const host = uriGlob("https://*.example.com/**");
  assert.equal(host.matches("https://a.example.com/x/y?z#w"), true);
  for (
    const uri of [
      "https://evil.org/x.example.com/",
      "https://evil.org?.example.com/",
      "https://evil.org#.example.com/",
      "https://evil.org\\.example.com/",
    ]
  ) assert.equal(host.matches(uri), false, uri);
  assert.equal(uriGlob("file:///a/*").matches("file:///a/b/c"), false);
  assert.equal(uriGlob("file:///a/**").matches("file:///a/b/c"), true);
});

Deno.test("uriGlob() with wildcards never matches a URI whose text and meaning may differ", () => {
  for (
    const uri of [
      "file:///a/../b",
      "file:///a/..",
      "file:///a/./b",
      "file:///a/%2e%2e/b",
      "file:///a/%2E./b",
      "file:///a/..%2Fb",
      "file:///a/%252e%252e/b",
      "file:///a/..\\b",
      "file:///a/b c",
      "file:///a/b\u0000",
      `file:///a/${"x".repeat(3000)}`,
    ]
  ) assert.equal(uriGlob("file:///a/**").matches(uri), false, uri);
  assert.equal(uriGlob("file:///a/**").matches("file:///a/b..c/.hidden"), true);
  assert.equal(uriGlob("file:///a/b c").matches("file:///a/b c"), true);
});

Deno.test("globs stay fast on patterns that make backtracking matchers explode", () => {
  const started = performance.now();
  assert.equal(nameGlob("*a".repeat(120) + "b").matches("a".repeat(4000)), false);
  assert.ok(performance.now() - started < 2000);
});
