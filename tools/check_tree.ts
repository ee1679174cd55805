/**
 * What a linter that sees one TypeScript file at a time cannot hold: folders, names of files in other languages, their
 * lengths, and that scripts can be run. Part of `deno task ok`; alone: `deno run -A tools/check_tree.ts`.
 */
import {
  FORBIDDEN_NAMES,
  LAYERS,
  MAX_FILE_LINES,
  MAX_TEST_FILE_LINES,
  OTHER_FOLDERS,
  SNAKE_CASE_FILE,
  topFolder,
} from "./layers.ts";
import { projectRoot } from "./subprocess.ts";

/** Never ours or never committed. */
const IGNORED: readonly string[] = [
  ".git",
  "node_modules",
  "dist",
  ".intentgate",
  "coverage",
  ".venv",
  "__pycache__",
];

/** Root files beside `main.ts`: what tools, platforms and readers expect under exactly these names. */
const ROOT_FILES: readonly string[] = [
  "main.ts",
  "deno.json",
  "deno.lock",
  "Dockerfile",
  "README.md",
  "LICENSE",
  "SECURITY.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
];

/** Languages whose files follow the naming rule; `.ts` is the lint plugin's. */
const NAMED = /\.(js|mjs|py|sh|rego|sql|css|html)$/;
const MEASURED = /\.(js|mjs|py|sh|css)$/;

/** One path that breaks a rule. */
export interface TreeProblem {
  readonly path: string;
  readonly message: string;
}

interface Entry {
  readonly path: string;
  readonly isDirectory: boolean;
}

async function* walk(root: string, path: string): AsyncGenerator<Entry> {
  const entries = await Array.fromAsync(Deno.readDir(`${root}/${path}`));
  const kept = entries.filter(({ name }) => !IGNORED.includes(name));
  if (path !== "") yield { path, isDirectory: true };
  for (const { name, isDirectory } of kept) {
    const child = path === "" ? name : `${path}/${name}`;
    if (isDirectory) yield* walk(root, child);
    else yield { path: child, isDirectory: false };
  }
}

/** Every problem of the tree under `root`. */
export async function checkTree(root: string): Promise<readonly TreeProblem[]> {
  const problems: TreeProblem[] = [];
  for await (const entry of walk(root, "")) {
    const report = (message: string) => problems.push({ path: entry.path, message });
    if (entry.isDirectory) judgeFolder(entry, report);
    else await judgeFile(root, entry.path, report);
  }
  return problems;
}

function judgeFolder({ path }: Entry, report: (message: string) => void): void {
  const name = path.split("/").at(-1) ?? "";
  if (FORBIDDEN_NAMES.includes(name)) report(`Name "${name}" says nothing about what is inside`);
  const known = LAYERS[name] !== undefined || OTHER_FOLDERS.includes(name) || name.startsWith(".");
  if (!path.includes("/") && !known) report(`Folder "${name}" is not in the layer table`);
}

async function judgeFile(root: string, path: string, report: (message: string) => void): Promise<void> {
  const name = path.split("/").at(-1) ?? "";
  if (topFolder(path) === "." && !ROOT_FILES.includes(name) && !name.startsWith(".")) {
    report("Only the files that the architecture names stand in the root");
  }
  if (topFolder(path) === "migrations" && /\.sql$/.test(name) && !/^\d{4}_[a-z0-9_]+\.sql$/.test(name)) {
    report("A migration is named NNNN_name.sql");
  }
  if (NAMED.test(name) && !SNAKE_CASE_FILE.test(name)) report(`File name "${name}" is not snake_case`);
  if (FORBIDDEN_NAMES.includes(name.replace(/\.[a-z]+$/, ""))) {
    report(`Name "${name}" says nothing about what is inside`);
  }
  if (MEASURED.test(name)) await judgeLength(root, path, report);
  if ((path === ".ci/run" || name.endsWith(".sh")) && !await isExecutable(`${root}/${path}`)) {
    report("Script is not executable");
  }
}

async function judgeLength(root: string, path: string, report: (message: string) => void): Promise<void> {
  const count = (await Deno.readTextFile(`${root}/${path}`)).replace(/\n$/, "").split("\n").length;
  const limit = topFolder(path) === "tests" ? MAX_TEST_FILE_LINES : MAX_FILE_LINES;
  if (count > limit) report(`File has ${count} lines, at most ${limit}: split it by meaning`);
}

async function isExecutable(path: string): Promise<boolean> {
  const { mode } = await Deno.stat(path);
  return mode === null || (mode & 0o100) !== 0;
}

async function main(): Promise<number> {
  const problems = await checkTree(projectRoot());
  for (const { path, message } of problems) console.error(`${path}: ${message}`);
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) main().then((code) => Deno.exit(code));
