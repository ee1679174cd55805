/** Runs docs/guide/quickstart.md: every `sh run` block in one shell, each compared with the `text` block after it. */
import assert from "node:assert/strict";
import { gatewayFromSource, startGateway } from "../gateway_process.ts";

interface Step {
  readonly script: string;
  readonly expected: string;
}

/** The blocks of a guide that run, each with what it must print. */
function stepsOf(markdown: string): readonly Step[] {
  const blocks = [...markdown.matchAll(/^```(sh run|text)\n([\s\S]*?)^```$/gm)];
  const steps: Step[] = [];
  for (const [index, block] of blocks.entries()) {
    if (block[1] !== "sh run") continue;
    const next = blocks[index + 1];
    assert.equal(next?.[1], "text", `block ${index} says what it prints`);
    steps.push({ script: block[2] ?? "", expected: next?.[2] ?? "" });
  }
  return steps;
}

/** Indentation is the formatter's business. */
function trimmed(text: string): string {
  return text.split("\n").map((line) => line.trim()).join("\n");
}

Deno.test("the quickstart does what it says", async () => {
  const steps = stepsOf(await Deno.readTextFile(new URL("../../docs/guide/quickstart.md", import.meta.url)));
  assert.equal(steps.length, 7);
  await using gateway = await startGateway();
  const intentgate = gatewayFromSource().map((part) => `'${part}'`).join(" ");
  const script = [
    "set -uo pipefail",
    `intentgate() { ${intentgate} "$@"; }`,
    ...steps.flatMap((step) => [step.script, "echo '=== end of step'"]),
  ].join("\n").replaceAll("http://127.0.0.1:8080", gateway.url).replaceAll(
    ".intentgate/operator_token",
    `${gateway.dataDir}/operator_token`,
  );
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script],
    env: { INTENTGATE_URL: gateway.url, INTENTGATE_DATA_DIR: gateway.dataDir },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const printed = new TextDecoder().decode(stdout).split("=== end of step\n");
  for (const [index, step] of steps.entries()) {
    assert.equal(
      trimmed(printed[index] ?? ""),
      trimmed(step.expected),
      `step ${index + 1}\n${new TextDecoder().decode(stderr)}`,
    );
  }
});
