/** The layer table of the architecture: which top-level folder may import which. Read by the lint plugin and check_tree. */

/** Reaches every folder; the few that nobody may import are in `UNIMPORTABLE`. */
export const ANYTHING = "anything";

/** By importing folder. `.` is a file in the root, which means `main.ts`. A folder always may import itself. */
export const LAYERS: Readonly<Record<string, readonly string[] | typeof ANYTHING>> = {
  ".": ["commands"],
  core: [],
  plugins: ["core"],
  telemetry: ["core"],
  policies: ["core", "telemetry"],
  store: ["core", "migrations"],
  audit: ["core", "telemetry"],
  checks: ["core", "plugins", "policies"],
  mcp: ["core", "telemetry"],
  gateway: ["core", "plugins", "audit", "mcp", "telemetry"],
  admin: ["core", "audit", "policies", "telemetry"],
  demo: [],
  sdk: [],
  migrations: [],
  commands: ANYTHING,
  tests: ANYTHING,
  tools: ANYTHING,
};

/** No product code imports these: they are entries, or run as Workers and processes of their own. Tests and tools may. */
const UNIMPORTABLE: readonly string[] = ["commands", "demo", "sdk", "tests", "tools"];

/** Folders without TypeScript of ours. */
export const OTHER_FOLDERS: readonly string[] = ["deploy", "docs"];

/** Names that say nothing about what is inside. */
export const FORBIDDEN_NAMES: readonly string[] = [
  "utils",
  "util",
  "common",
  "helpers",
  "helper",
  "lib",
  "shared",
  "manager",
  "managers",
  "service",
  "services",
  "misc",
];

/** npm packages that belong to one folder, because what they do may happen only there. */
export const PACKAGE_HOMES: Readonly<Record<string, readonly string[]>> = {
  postgres: ["store", "tests", "tools"],
  "@electric-sql/pglite": ["store", "tests", "tools"],
};

export const SNAKE_CASE_FILE = /^[a-z0-9]+(_[a-z0-9]+)*(\.d)?\.[a-z]+$/;
export const MAX_FILE_LINES = 400;
export const MAX_TEST_FILE_LINES = 800;
export const MAX_FUNCTION_LINES = 60;

/** The top-level folder of a path relative to the root, `.` for files in the root itself. */
export function topFolder(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? "." : path.slice(0, slash);
}

/** True for unit tests beside a file and for everything in `tests/`. */
export function isTest(path: string): boolean {
  return path.endsWith("_test.ts") || topFolder(path) === "tests";
}

/** Why the file `from` may not import the file `to` (both relative to the root); `undefined` when it may. */
export function refusedImport(from: string, to: string): string | undefined {
  const [importer, target] = [topFolder(from), topFolder(to)];
  if (importer === target) return undefined;
  const allowed = LAYERS[importer];
  if (allowed === undefined) return `folder "${importer}" is not in the layer table`;
  if (LAYERS[target] === undefined) return `folder "${target}" is not in the layer table`;
  if (allowed === ANYTHING) {
    const free = importer === "tests" || importer === "tools" || !UNIMPORTABLE.includes(target);
    return free ? undefined : `nobody imports ${target}/`;
  }
  if (allowed.includes(target) || (isTest(from) && target === "core")) return undefined;
  const list = allowed.length === 0 ? "nothing of ours" : allowed.join(", ");
  return `${importer === "." ? "main.ts" : importer} may import ${list}, not ${target === "." ? to : target}`;
}
