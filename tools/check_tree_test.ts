import assert from "node:assert/strict";
import { checkTree } from "./check_tree.ts";

/** Makes the files (path → content) and answers `path: message` lines. */
async function problemsOf(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const root = await Deno.makeTempDir({ prefix: "check_tree_" });
  try {
    for (const [path, content] of Object.entries(files)) {
      await Deno.mkdir(new URL(".", `file://${root}/${path}`), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, content, { mode: 0o644 });
    }
    return (await checkTree(root)).map(({ path, message }) => `${path}: ${message}`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("checkTree() finds every planted violation", async () => {
  const planted: readonly (readonly [path: string, content: string, message: RegExp])[] = [
    ["rooms/a.md", "", /Folder "rooms" is not in the layer table/],
    ["store/helpers/a.sql", "", /Name "helpers" says nothing/],
    ["store/utils.sql", "", /Name "utils.sql" says nothing/],
    ["notes.txt", "", /stand in the root/],
    ["migrations/first.sql", "", /named NNNN_name\.sql/],
    ["tests/conformance/clients/pyClient.py", "", /not snake_case/],
    ["tools/build-all.sh", "", /not snake_case/],
    [".ci/run", "", /not executable/],
    ["admin/console/app.js", "x\n".repeat(401), /401 lines, at most 400/],
  ];
  for (const [path, content, message] of planted) {
    const found = await problemsOf({ [path]: content });
    assert.ok(found.some((line) => message.test(line)), `${path}: ${JSON.stringify(found)}`);
  }
});

Deno.test("checkTree() is silent about what the architecture allows", async () => {
  const files = {
    "main.ts": "",
    "README.md": "",
    ".gitignore": "",
    ".ci/steps.md": "",
    "migrations/0001_first.sql": "",
    "tests/conformance/clients/sdk1.mjs": "x\n".repeat(800),
    "node_modules/Some-Package/index.js": "",
    "docs/guide/quick-start.md": "",
  };
  assert.deepEqual(await problemsOf(files), []);
});
