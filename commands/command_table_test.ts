import assert from "node:assert/strict";
import { archiveOf, type FixtureLog, honestLog } from "../audit/export/export_fixture.ts";
import { formatVerifierKey } from "../audit/signed_note.ts";
import type { Terminal } from "./command.ts";
import { COMMANDS } from "./command_table.ts";
import { findCommand } from "./complete_line.ts";
import { commandHelp, overview } from "./help.ts";
import { parseCommandLine } from "./parse_command_line.ts";
import { runCommand } from "./run.ts";
import { SUBJECTS } from "./command_table.ts";

/** The words of the `intentgate` call in an example, as a shell would split them. */
function wordsOf(line: string): string[] {
  const start = line.search(/(?<![\w.-])intentgate /) + "intentgate ".length;
  const words: string[] = [];
  for (
    const [, quote, quoted, word] of line.slice(start).matchAll(
      /(?:(['"])(.*?)\1|([^\s'"|;<>)]+|[|;<>)]))(?: |$)?/g,
    )
  ) {
    if (word !== undefined && /^[|;<>)]$/.test(word)) break;
    words.push(quote === undefined ? word ?? "" : quoted ?? "");
  }
  return words;
}

async function readDocument(): Promise<string> {
  return await Deno.readTextFile(new URL("../docs/reference/openapi.json", import.meta.url));
}

/** Every operation of the admin API, as the OpenAPI document names them. */
async function documentedRoutes(): Promise<string[]> {
  const { paths } = JSON.parse(await readDocument());
  return Object.entries<object>(paths).flatMap(([route, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${route}`)
  ).sort();
}

/**
 * What programs of the C2SP tlog-tiles world ask for, whose events and hashes are in exports too; and what `audit verify`
 * asks when it has a key and a checkpoint (tests/integration/audit_commands_test.ts).
 */
const FOR_OTHER_PROGRAMS = [
  "GET /audit/consistency",
  "GET /audit/log/{chain}/tile/entries/{index}",
  "GET /audit/log/{chain}/tile/{level}/{index}",
];

/** Answers that are no JSON, by the end of their path. */
async function fileAnswers(log: FixtureLog): Promise<Readonly<Record<string, BodyInit>>> {
  return {
    "/audit/export": new Uint8Array(await archiveOf(log)),
    "/audit/events.csv": "seq\r\n",
    "/checkpoint": log.checkpoint(1),
    "/audit/stream": Array.from({ length: 10 }, (_, at) => `id: ${at + 1}\ndata: {}\n\n`).join(""),
    "/audit/proof": "c2sp.org/tlog-proof@v1\n",
  };
}

Deno.test("every route of the admin API has a command that calls it, and no command calls another", async () => {
  const called = new Set([...COMMANDS.flatMap(({ routes = [] }) => routes), ...FOR_OTHER_PROGRAMS]);
  assert.deepEqual([...called].sort(), await documentedRoutes());
});

Deno.test("the examples of a command call exactly the routes that it declares, writes with an idempotency key", async () => {
  const asked: string[] = [];
  const log = await honestLog(5);
  const files = await fileAnswers(log);
  const logKey = formatVerifierKey(log.origin, log.key);
  const keys = new Set<string>();
  // Every member that is a list somewhere; one answer then fits all routes.
  const document = await readDocument();
  const lists = [...document.matchAll(/"(\w+)": \{\s+"type": "array"/g)].map(([, name]) => name ?? "");
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    asked.push(`${request.method} ${pathname.replace("/api/v1", "")}`);
    const key = request.headers.get("idempotency-key");
    assert.equal(key !== null, request.method !== "GET", `${request.method} ${pathname}`);
    if (key !== null) {
      assert.match(key, /^"[0-9a-f-]{36}"$/);
      assert.equal(keys.has(key), false, "a key of its own for every write");
      keys.add(key);
    }
    const [, file] = Object.entries(files).find(([end]) => pathname.endsWith(end)) ?? [];
    if (file !== undefined) return new Response(file, { headers: { "content-type": "text/plain" } });
    const rows = Object.fromEntries(lists.map((name) => [name, [{ seq: 17, event: {} }]]));
    return Response.json({
      ...rows,
      number: 1,
      version: 1,
      token: "t",
      verdict: "verified",
      next_after: null,
    });
  });
  const folder = await Deno.makeTempDir();
  const terminal: Terminal = {
    folder,
    env: { INTENTGATE_URL: `http://127.0.0.1:${server.addr.port}`, INTENTGATE_OPERATOR_TOKEN: "igo_test" },
    readTextFile: () => Promise.reject(new Deno.errors.NotFound()),
    ...{ print: () => {}, complain: (text) => assert.match(text, /^There are more/) },
    ...{ readInput: () => Promise.resolve(""), inputIsTyped: () => false },
  };
  for (const { name, routes, examples } of COMMANDS) {
    if (routes === undefined) continue;
    asked.length = 0;
    for (const { line } of examples) {
      const words = wordsOf(line).map((word) => word === "$ACME_LOG_KEY" ? logKey : word);
      assert.equal(await runCommand(words, terminal), 0, line);
    }
    const wanted = routes.map((route) => new RegExp(`^${route.replace(/\{\w+\}/g, "[^/]+")}$`));
    for (const request of asked) {
      assert.ok(wanted.some((route) => route.test(request)), `${name}: ${request}`);
    }
    for (const route of wanted) assert.ok(asked.some((request) => route.test(request)), `${name}: ${route}`);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("every command explains itself: a sentence for everything, examples that parse, lines that fit", () => {
  for (const command of COMMANDS) {
    const { name, summary, args = [], options, examples, details = [] } = command;
    assert.match(summary, /^[A-Z].*[^.]$/, name);
    const sentences = [
      ...details,
      ...args.map(({ help }) => help),
      ...Object.values(options).map(({ help }) => help),
    ];
    for (const sentence of sentences) assert.match(sentence, /^[A-Z].*\.$/s, `${name}: ${sentence}`);
    for (const [option, { kind, value }] of Object.entries(options)) {
      assert.equal(value !== undefined, kind !== "flag", `${name} --${option} names its value`);
    }
    assert.ok(examples.length > 0, name);
    for (const { line } of examples) {
      const words = wordsOf(line);
      assert.equal(findCommand(COMMANDS, words)?.name, name, line);
      parseCommandLine(command, words.slice(name.split(" ").length), {});
    }
    const wide = commandHelp(command).split("\n").filter((text) =>
      text.length > 102 && !text.startsWith("  $ ")
    );
    assert.deepEqual(wide, [], name);
  }
  for (const line of overview(SUBJECTS).split("\n")) assert.ok(line.length <= 102, line);
});

Deno.test("no two commands share a name, and none is the beginning of another", () => {
  for (const { name } of COMMANDS) {
    const like = COMMANDS.filter((other) => other.name === name || other.name.startsWith(`${name} `));
    assert.equal(like.length, 1, name);
  }
});
