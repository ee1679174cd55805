/** docs/reference/clients.md says of each client what is tested, and shows the program that is tested. */
import assert from "node:assert/strict";
import { clientsUnderTest, type ClientUnderTest } from "./clients_under_test.ts";

const page = Deno.readTextFileSync(new URL("../../docs/reference/clients.md", import.meta.url));
/** Rows of tables without the blanks that only line them up. */
const rows = page.split("\n").filter((line) => line.startsWith("|"))
  .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()).join(" | "));

Deno.test("docs/reference/clients.md has a row for each client, with its version and what it can do", async () => {
  const expected = (await clientsUnderTest()).map(rowOf);
  assert.deepEqual(rows.slice(2), expected);
});

Deno.test("docs/reference/clients.md shows how each tested program connects, word for word", async () => {
  const programs = new Set((await clientsUnderTest()).map(({ program }) => program));
  for (const program of programs) {
    // The Inspector is a command, which its program runs.
    const file = program.replace("inspector.mjs", "inspector.sh");
    const source = await Deno.readTextFile(new URL(`clients/${file}`, import.meta.url));
    const [, shown] = /^(?:#|\/\/) \[connect\]\n([^]*)\n(?:#|\/\/) \[\/connect\]$/m.exec(source) ?? [];
    assert.ok(shown !== undefined, `${file} marks nothing with [connect]`);
    assert.ok(page.includes(`\n${shown.trim()}\n\`\`\`\n`), `the page does not show what ${file} marks`);
  }
});

function rowOf({ library, version, mode, isModern, sees, cancelsInSession }: ClientUnderTest): string {
  const name = `\`${library}\`${mode === undefined ? "" : ` (${mode})`}`;
  const cancels = isModern || cancelsInSession ? "yes" : "no";
  return [name, version, isModern ? "modern" : "legacy", sees, cancels].join(" | ");
}
