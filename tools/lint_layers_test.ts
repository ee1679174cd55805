import assert from "node:assert/strict";

interface Planted {
  readonly path: string;
  readonly source: string;
  /** Rule and a part of its message; absent for what must stay silent. */
  readonly finds?: readonly [rule: string, message: string];
}

const long = (lines: number) => "// line\n".repeat(lines);
const longFunction = (lines: number) => `export function f(): void {\n${"  f;\n".repeat(lines - 2)}}\n`;

const VIOLATIONS: readonly Planted[] = [
  ["core/a.ts", 'import "../store/x.ts";', "layers", "core may import nothing of ours, not store"],
  ["core/a2.ts", 'export * from "../mcp/port.ts";', "layers", "not mcp"],
  ["core/a3.ts", 'export { x } from "../audit/x.ts";', "layers", "not audit"],
  ["gateway/b.ts", 'import type { A } from "../admin/x.ts";\nexport type B = A;', "layers", "not admin"],
  ["admin/b.ts", 'export type B = import("../gateway/x.ts").B;', "layers", "not gateway"],
  ["audit/c.ts", 'export const load = () => import("../store/x.ts");', "layers", "not store"],
  ["checks/c.ts", "export const load = (x: string) => import(x);", "layers", "computed name"],
  ["mcp/d.ts", 'import "../gateway/x.ts";', "layers", "mcp may import core, telemetry, not gateway"],
  ["policies/d.ts", 'import "../plugins/x.ts";', "layers", "not plugins"],
  ["plugins/d.ts", 'import "../telemetry/x.ts";', "layers", "plugins may import core, not telemetry"],
  ["telemetry/d.ts", 'import "../store/x.ts";', "layers", "not store"],
  ["store/d.ts", 'import "../audit/x.ts";', "layers", "store may import core, migrations, not audit"],
  ["demo/d.ts", 'import "../core/x.ts";', "layers", "demo may import nothing of ours"],
  ["sdk/typescript/d.ts", 'import "../../core/x.ts";', "layers", "sdk may import nothing of ours"],
  ["commands/d.ts", 'import "../demo/x.ts";', "layers", "nobody imports demo/"],
  ["commands/d2.ts", 'import "../tests/x.ts";', "layers", "nobody imports tests/"],
  ["main.ts", 'import "./core/x.ts";', "layers", "main.ts may import commands, not core"],
  ["core/e.ts", 'import "../../outside.ts";', "layers", "outside the project"],
  ["core/e2.ts", 'import "npm:zod@4";', "layers", "mapped in deno.json"],
  ["core/e3.ts", 'import "/etc/x.ts";', "layers", "mapped in deno.json"],
  [
    "audit/e.ts",
    'import postgres from "postgres";\nexport const p = postgres;',
    "layers",
    "belongs to store/",
  ],
  ["audit/d_test.ts", 'import "../store/x.ts";', "layers", "not store"],
  ["core/f.ts", 'export const f = () => Deno.readTextFile("x");', "pure-core", "Deno.readTextFile"],
  ["core/f2.ts", "export const f = () => Date.now();", "pure-core", "Date.now"],
  ["core/f3.ts", "export const f = () => crypto.randomUUID();", "pure-core", "crypto.randomUUID"],
  ["core/f4.ts", "export const f = () => new Date();", "pure-core", "new Date()"],
  ["core/f5.ts", 'import "node:fs";', "pure-core", "node:fs"],
  ["core/f6.ts", 'export const f = () => fetch("x");', "pure-core", "fetch"],
  ["core/f7.ts", "export const f = () => globalThis.Deno.exit();", "pure-core", "Deno.exit"],
  [
    "audit/g.ts",
    "export const f = (sql: Tag) => sql`x`;\ntype Tag = () => void;",
    "sql-in-store",
    "SQL lives in",
  ],
  [
    "audit/g2.ts",
    "export class A {\n  #sql = String.raw;\n  b = () => this.#sql`x`;\n}",
    "sql-in-store",
    "SQL",
  ],
  ["audit/g3.ts", "export const f = String.raw`\n select 1`;", "sql-in-store", "SQL lives in"],
  [
    "audit/g4.ts",
    'export const f = (x: { unsafe(a: string): void }) => x.unsafe("x");',
    "sql-in-store",
    "SQL",
  ],
  ["audit/h.ts", "let n = 0;\nexport const f = () => n++;", "no-module-state", '"let"'],
  ["audit/h2.ts", "export let n = 0;\nn = 1;", "no-module-state", '"let"'],
  [
    "audit/h3.ts",
    "// deno-lint-ignore no-var\nvar n = 0;\nexport const f = () => n++;",
    "no-module-state",
    '"var"',
  ],
  ["audit/h4.ts", "export const seen = new Map<string, string>();", "no-module-state", "empty collection"],
  ["audit/h5.ts", "export const seen: string[] = [];", "no-module-state", "empty collection"],
  ["audit/i.ts", "export const x = await Promise.resolve(1);", "no-top-level-await", "No top-level await"],
  ["audit/i2.ts", "for await (const x of [1]) console.log(x);", "no-top-level-await", "No top-level await"],
  ["audit/j.ts", "export default 1;", "no-default-export", "No default exports"],
  ["audit/j2.ts", "const a = 1;\nexport { a as default };", "no-default-export", "No default exports"],
  ["audit/k.ts", "export enum A {\n  B,\n}", "plain-typescript", "No enums"],
  [
    "audit/k2.ts",
    "// deno-lint-ignore no-namespace\nexport namespace A {\n  export const b = 1;\n}",
    "plain-typescript",
    "No nam",
  ],
  [
    "audit/k3.ts",
    "const d = (_: unknown, c: unknown) => void c;\n@d\nexport class A {}",
    "plain-typescript",
    "No deco",
  ],
  ["audit/l.ts", longFunction(61), "lengths", "Function has 61 lines, at most 60"],
  ["audit/l2.ts", long(401), "lengths", "File has 401 lines, at most 400"],
  ["audit/l_test.ts", long(801), "lengths", "File has 801 lines, at most 800"],
  ["audit/CamelCase.ts", "export {};", "names", "not snake_case"],
  ["audit/kebab-case.ts", "export {};", "names", "not snake_case"],
  ["audit/utils.ts", "export {};", "names", '"utils" says nothing'],
  ["mcp/helpers/a.ts", "export {};", "names", '"helpers" says nothing'],
  ["rooms/a.ts", "export {};", "names", 'Folder "rooms" is not in the layer table'],
].map(([path, source, rule, message]) => ({ path: path!, source: source!, finds: [rule!, message!] }));

const FINE: readonly Planted[] = [
  ["gateway/ok.ts", 'import "../core/x.ts";\nimport "../mcp/x.ts";\nimport "./y.ts";\nimport "node:crypto";'],
  ["gateway/ok_worker.ts", 'export const w = () => new Worker(new URL("../demo/x.ts", import.meta.url));'],
  ["commands/ok.ts", 'import "../store/x.ts";\nimport "../gateway/x.ts";\nimport "../admin/x.ts";'],
  ["demo/ok_test.ts", 'import "../core/x.ts";'],
  ["tests/integration/ok_test.ts", 'import "../../demo/x.ts";\nimport "../../commands/x.ts";'],
  ["plugins/examples/ok.ts", "export default { name: 'x' };"],
  ["plugins/ok.ts", "export const load = (address: string) => import(address);"],
  [
    "store/ok.ts",
    "export const f = (sql: Tag) => sql`select 1`;\ntype Tag = (text: TemplateStringsArray) => void;",
  ],
  [
    "core/ok.ts",
    "export const f = (nowMs: number) => new Date(nowMs);\nexport const g = async () => await f(1);",
  ],
  ["core/ok_test.ts", "Deno.test('x', () => void Date.now());"],
  ["audit/ok.ts", `${longFunction(60)}export const RANKS = new Set(["a"]);\n${long(339)}`],
  ["audit/ok_test.ts", longFunction(61)],
].map(([path, source]) => ({ path: path!, source: source! }));

interface Finding {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** Plants the files beside a copy of the plugin, and answers what `deno lint` says about them. */
async function lintPlanted(files: readonly Planted[]): Promise<readonly Finding[]> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "lint_layers_" }));
  try {
    const here = new URL(".", import.meta.url);
    await Deno.mkdir(`${root}/tools`);
    for (const name of ["layers.ts", "lint_layers.ts"]) {
      await Deno.copyFile(new URL(name, here), `${root}/tools/${name}`);
    }
    await Deno.writeTextFile(`${root}/deno.json`, '{"lint":{"plugins":["./tools/lint_layers.ts"]}}');
    for (const { path, source } of files) {
      await Deno.mkdir(new URL(".", `file://${root}/${path}`), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, source);
    }
    const lint = new Deno.Command(Deno.execPath(), {
      args: ["lint", "--json"],
      cwd: root,
      stderr: "inherit",
    });
    const report = JSON.parse(new TextDecoder().decode((await lint.output()).stdout));
    assert.deepEqual(report.errors, []);
    return report.diagnostics.map((found: { filename: string; code: string; message: string }) => ({
      path: new URL(found.filename).pathname.slice(root.length + 1),
      code: found.code,
      message: found.message,
    }));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("the lint plugin finds every planted violation, and the rule that was meant", async () => {
  const findings = await lintPlanted(VIOLATIONS);
  for (const { path, finds } of VIOLATIONS) {
    const ours = findings.filter((found) => found.path === path && found.code.startsWith("intentgate/"));
    assert.deepEqual([...new Set(ours.map((found) => found.code))], [`intentgate/${finds?.[0]}`], path);
    assert.ok(ours.some((found) => found.message.includes(finds?.[1] ?? "?")), JSON.stringify(ours));
  }
});

Deno.test("the lint plugin is silent about what the architecture allows", async () => {
  const findings = await lintPlanted(FINE);
  assert.deepEqual(findings.filter((found) => found.code.startsWith("intentgate/")), []);
});
