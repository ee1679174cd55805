import assert from "node:assert/strict";
import { parseOptions, UsageError } from "./command.ts";

const OPTIONS = {
  jti: { type: "string" },
  reason: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

Deno.test("parseOptions() takes a value that begins with a dash, as identifiers in base64url may", () => {
  for (const jti of ["-xWoxMiRdAOiaTvGKUmJNA", "--xWoxMiRdAOiaTvGKUmJNA", "-"]) {
    const { values } = parseOptions(["--jti", jti, "--reason", "x", "--json"], OPTIONS);
    assert.deepEqual({ ...values }, { jti, reason: "x", json: true });
  }
  assert.equal(parseOptions(["--jti=-x"], OPTIONS).values.jti, "-x");
});

Deno.test("parseOptions() refuses a missing value, an unknown option and arguments that nobody asked for", () => {
  const cases: [string[], RegExp][] = [
    [["--jti"], /'--jti <value>' argument missing/],
    [["--jti", "--reason", "x"], /ambiguous|missing/],
    [["--jit", "x"], /Unknown option '--jit'/],
    [["x"], /Expected no arguments, found "x"/],
  ];
  for (const [args, message] of cases) {
    assert.throws(() => parseOptions(args, OPTIONS), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});
