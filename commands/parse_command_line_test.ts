import assert from "node:assert/strict";
import { type Command, command, type OptionValues, UsageError } from "./command.ts";
import { parseCommandLine } from "./parse_command_line.ts";

const OPTIONS = {
  jti: { kind: "text", value: "ID", help: "." },
  role: { kind: "choice", value: "ROLE", help: ".", choices: ["viewer", "operator", "admin"] },
  ttl: { kind: "duration", value: "DURATION", help: ".", default: "1h" },
  max: { kind: "number", value: "N", help: "." },
  args: { kind: "json", value: "JSON", help: "." },
  tool: { kind: "text", value: "NAME", help: ".", many: true },
  url: { kind: "text", value: "URL", help: ".", env: "TEST_URL" },
  json: { kind: "flag", help: "." },
} as const;

const TRIED = command({
  name: "try",
  summary: "Try",
  options: OPTIONS,
  examples: [],
  run: () => Promise.resolve(0),
});

function parse(line: readonly string[], env: Record<string, string> = {}) {
  return parseCommandLine(TRIED, line, env).options as OptionValues<typeof OPTIONS>;
}

function refusal(line: readonly string[], of: Partial<Command> = {}): string {
  try {
    parseCommandLine({ ...TRIED, ...of }, line, {});
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error.message;
  }
  return assert.fail(`accepted: ${line.join(" ")}`);
}

Deno.test("parseCommandLine() gives values by their kind, with defaults and variables in place", () => {
  assert.deepEqual(parse([]), {
    ...{ jti: undefined, role: undefined, ttl: 3600, max: undefined, args: undefined },
    ...{ tool: undefined, url: undefined, json: false },
  });
  const given = [
    "--ttl",
    "2d",
    "--max=7",
    "--args",
    '{"a":1}',
    "--tool",
    "x",
    "--tool=y",
    "--json",
    "--role",
    "admin",
  ];
  assert.deepEqual(parse(given, { TEST_URL: "http://env" }), {
    ...{ jti: undefined, role: "admin", ttl: 172_800, max: 7, args: { a: 1 } },
    ...{ tool: ["x", "y"], url: "http://env", json: true },
  });
  assert.equal(parse(["--url", "http://line"], { TEST_URL: "http://env" }).url, "http://line");
  assert.equal(parse([], { TEST_URL: "" }).url, undefined);
});

Deno.test("parseCommandLine() takes a value that begins with a dash, as identifiers in base64url may", () => {
  for (const jti of ["-xWoxMiRdAOiaTvGKUmJNA", "--xWoxMiRdAOiaTvGKUmJNA", "-"]) {
    const { jti: found, json } = parse(["--jti", jti, "--json"]);
    assert.deepEqual([found, json], [jti, true]);
  }
  assert.equal(parse(["--jti=-x"]).jti, "-x");
  assert.equal(parse(["--jti=--json"]).jti, "--json");
});

Deno.test("parseCommandLine() says what it expected, what it found, and what may have been meant", () => {
  const cases: [string[], RegExp][] = [
    [["--jti"], /^Expected a value after --jti: --jti ID$/],
    [["--jti", "--json"], /^Expected a value after --jti: --jti ID$/],
    [["--jit", "x"], /^Unknown option "--jit"; did you mean "--jti"\?$/],
    [["--toString"], /^Unknown option "--toString"$/],
    [["-j"], /^Unknown option "-j"$/],
    [["--json=yes"], /^--json takes no value, found "yes"$/],
    [["--jti", "x", "--jti", "y"], /^--jti stands there twice$/],
    [
      ["--role", "vewer"],
      /^--role expects viewer, operator or admin, found "vewer"; did you mean "viewer"\?$/,
    ],
    [["--ttl", "soon"], /^--ttl expects a duration like 900, 15m, 8h or 30d, found "soon"$/],
    [["--max", "1.5"], /^--max expects a whole number, found "1.5"$/],
    [["--args", '{"a":1,"a":2}'], /^--args expects JSON: .*a/],
    [["x"], /^Expected no arguments, found "x"$/],
  ];
  for (const [line, message] of cases) assert.match(refusal(line), message);
  assert.match(refusal([], { args: [{ name: "id", help: "." }] }), /^Expected <id>, found none$/);
  const args = [{ name: "shell", help: ".", choices: ["bash", "zsh"] }];
  assert.match(
    refusal(["bsh"], { args }),
    /^<shell> expects bash or zsh, found "bsh"; did you mean "bash"\?$/,
  );
  const required = { ...OPTIONS, agent: { kind: "text", value: "NAME", help: ".", required: true } } as const;
  assert.match(refusal([], { options: required }), /^Expected --agent NAME$/);
});

Deno.test("parseCommandLine() holds groups: exactly one, or at least one", () => {
  const exactly = [{ rule: "exactly one", options: ["jti", "max"] }] as const;
  assert.match(
    refusal([], { groups: exactly }),
    /^Expected exactly one of --jti ID or --max N, found none of them$/,
  );
  assert.match(refusal(["--jti", "x", "--max", "1"], { groups: exactly }), /found --jti and --max$/);
  parseCommandLine({ ...TRIED, groups: exactly }, ["--max", "1"], {});
  const atLeast = [{ rule: "at least one", options: ["jti", "max"] }] as const;
  assert.match(refusal([], { groups: atLeast }), /^Expected at least one of/);
  parseCommandLine({ ...TRIED, groups: atLeast }, ["--jti", "x", "--max", "1"], {});
});

Deno.test("parseCommandLine() reads what follows -- as arguments, and gives the last argument its default", () => {
  const args = [{ name: "id", help: "." }, { name: "file", help: ".", default: "-" }];
  const read = (line: readonly string[]) => parseCommandLine({ ...TRIED, args }, line, {}).args;
  assert.deepEqual(read(["a"]), ["a", "-"]);
  assert.deepEqual(read(["--json", "--", "--jti", "b"]), ["--jti", "b"]);
});
