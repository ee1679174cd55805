import assert from "node:assert/strict";
import { COMMANDS } from "./command_table.ts";
import { completeLine } from "./complete_line.ts";

function complete(line: string) {
  const words = line.split(" ");
  const { candidates, lookUp, prefix } = completeLine(COMMANDS, words.slice(0, -1), words.at(-1) ?? "");
  return { values: candidates.map(({ value }) => value), lookUp, prefix };
}

Deno.test("completeLine() offers the words of commands, step by step", () => {
  assert.deepEqual(complete("tok").values, ["token"]);
  assert.deepEqual(complete("token ").values, ["mint", "inspect", "attenuate", "list", "revoke"]);
  assert.deepEqual(complete("help token re").values, ["revoke"]);
  assert.deepEqual(complete("--v").values, ["--version"]);
  assert.deepEqual(complete("token --").values, ["--help"]);
  assert.deepEqual(complete("nothing ").values, []);
  const first = complete("").values;
  for (const { name } of COMMANDS) assert.ok(first.includes(name.split(" ")[0] ?? ""), name);
});

Deno.test("completeLine() offers the options that may still stand there, those that must stand first", () => {
  assert.deepEqual(complete("token mint --").values.slice(0, 2), ["--agent", "--tenant"]);
  assert.equal(complete("token mint --agent x --").values.includes("--agent"), false);
  assert.ok(complete("token mint --tool x --").values.includes("--tool"), "it may stand several times");
  assert.deepEqual(
    complete("token revoke --jti x --").values.includes("--block-id"),
    false,
    "one of the group",
  );
  assert.deepEqual(complete("kill engage --tenant x --up").values, ["--upstream"], "at least one");
  assert.deepEqual(complete("token mint --url --").values, [], "a value is due");
  assert.deepEqual(complete("tenant create acme -- --").values, [], "no options after --");
  assert.ok(complete("kill list ").values.includes("--json"), "no argument is due");
});

Deno.test("completeLine() offers values: of a list, files, or what has to be looked up", () => {
  assert.deepEqual(complete("operator create --role ").values, ["auditor", "viewer", "operator", "admin"]);
  assert.deepEqual(complete("operator create --role v").values, ["viewer"]);
  assert.deepEqual(complete("operator create --role=ad").values, ["--role=admin"]);
  assert.deepEqual(complete("completion z").values, ["zsh"]);
  assert.equal(complete("token inspect ").lookUp, "file");
  assert.equal(complete("token mint --args-file x").lookUp, "file");
  assert.equal(complete("token mint --tenant ").lookUp, "tenant");
  assert.deepEqual(complete("token mint --upstream=ac"), {
    values: [],
    lookUp: "upstream",
    prefix: "--upstream=",
  });
  assert.equal(complete("kill release ").lookUp, "kill switch");
  assert.equal(complete("operator delete ").lookUp, "operator");
  assert.equal(complete("keys retire ").lookUp, "key id");
  assert.equal(complete("token mint --agent ").lookUp, undefined);
});
