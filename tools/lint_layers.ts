/**
 * The project's own lint plugin (`lint.plugins` in deno.json): the rules of the architecture that a machine can hold.
 * It judges `.ts` files inside the folder above this one. What a file-by-file linter cannot see (folders, files in other
 * languages) is in `check_tree.ts`.
 */
import {
  FORBIDDEN_NAMES,
  isTest,
  LAYERS,
  MAX_FILE_LINES,
  MAX_FUNCTION_LINES,
  MAX_TEST_FILE_LINES,
  PACKAGE_HOMES,
  refusedImport,
  SNAKE_CASE_FILE,
  topFolder,
} from "./layers.ts";

type Context = Deno.lint.RuleContext;
type Visitor = Deno.lint.LintVisitor;
type Node = Deno.lint.Node;

/** Path relative to the project's root, or `undefined` for what is no TypeScript file of ours. */
function projectPath(filename: string): string | undefined {
  const root = new URL("..", import.meta.url).pathname;
  if (!filename.startsWith(root) || !filename.endsWith(".ts")) return undefined;
  return filename.slice(root.length);
}

/** A rule that gets the path it judges, and is silent outside the project. */
function rule(create: (context: Context, path: string) => Visitor): Deno.lint.Rule {
  return {
    create(context) {
      const path = projectPath(context.filename);
      return path === undefined ? {} : create(context, path);
    },
  };
}

/** Static, dynamic and type imports, and re-exports. `new Worker(new URL(…))` starts a program and is no import. */
const layers = rule((context, path) => {
  const judge = (node: Node, specifier: string) => {
    const message = refusedSpecifier(path, specifier);
    if (message !== undefined) context.report({ node, message: `Cannot import "${specifier}": ${message}` });
  };
  return {
    ImportDeclaration: (node) => judge(node, node.source.value),
    ExportAllDeclaration: (node) => judge(node, node.source.value),
    ExportNamedDeclaration: (node) => {
      if (node.source) judge(node, node.source.value);
    },
    TSImportType: (node) => {
      if (node.argument.type === "TSLiteralType" && node.argument.literal.type === "Literal") {
        judge(node, String(node.argument.literal.value));
      }
    },
    ImportExpression: (node) => {
      if (node.source.type === "Literal") return judge(node, String(node.source.value));
      if (["plugins", "tests", "tools"].includes(topFolder(path))) return;
      context.report({ node, message: "Cannot import a computed name: only plugins/ loads code by address" });
    },
  };
});

function refusedSpecifier(path: string, specifier: string): string | undefined {
  if (specifier.startsWith("./") || specifier.startsWith("../")) {
    const target = new URL(specifier, `file:///root/of/project/${path}`).pathname;
    const inside = "/root/of/project/";
    return target.startsWith(inside)
      ? refusedImport(path, target.slice(inside.length))
      : "it is outside the project";
  }
  if (specifier.startsWith("node:")) return undefined;
  if (/^([a-z]+:|\/)/.test(specifier)) return "expected a relative path, node: or a name mapped in deno.json";
  const homes = PACKAGE_HOMES[specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")];
  if (homes === undefined || homes.includes(topFolder(path))) return undefined;
  return `this package belongs to ${homes[0]}/`;
}

/** `core/` does no I/O and reads neither clock nor randomness: they are arguments. */
const pureCore = rule((context, path) => {
  if (topFolder(path) !== "core" || isTest(path)) return {};
  const impure = /^(Deno|process|fetch|setTimeout|setInterval)$/;
  const impureMember = /^(Date\.now|Math\.random|performance\.now|crypto\.(getRandomValues|randomUUID))$/;
  const report = (node: Node, what: string) =>
    context.report({ node, message: `core/ must be pure: take "${what}" as an argument` });
  return {
    MemberExpression(node) {
      const text = context.sourceCode.getText(node).replace(/^globalThis\./, "");
      if (impureMember.test(text)) report(node, text);
      else if (/^(Deno|process)\.\w+$/.test(text)) report(node, text);
    },
    CallExpression(node) {
      if (node.callee.type === "Identifier" && impure.test(node.callee.name)) report(node, node.callee.name);
    },
    NewExpression(node) {
      if (context.sourceCode.getText(node) === "new Date()") report(node, "new Date()");
    },
    ImportDeclaration(node) {
      const name = node.source.value;
      if (name.startsWith("node:") && !/^node:(crypto|buffer|util)$/.test(name)) report(node, name);
    },
  };
});

/** A tagged template is SQL when its tag is named so or its text starts like a statement; `.unsafe(` is postgres.js. */
const sqlInStore = rule((context, path) => {
  if (["store", "migrations", "tests", "tools"].includes(topFolder(path))) return {};
  const message = "SQL lives in store/ only: declare a port and let store/ implement it";
  return {
    TaggedTemplateExpression(node) {
      const tag = context.sourceCode.getText(node.tag).split(/[.#]/).at(-1) ?? "";
      const text = node.quasi.quasis[0]?.raw ?? "";
      if (
        /^(sql|tx)$/i.test(tag) || /^\s*(select|insert|update|delete|create|alter|drop|with)\s/i.test(text)
      ) {
        context.report({ node, message });
      }
    },
    "CallExpression > MemberExpression[property.name='unsafe']"(node: Node) {
      context.report({ node, message });
    },
  };
});

/**
 * Caught: `let` and `var` at module level, and a module-level `const` that starts as an empty collection (`new Map()`,
 * `new Set()`, `new WeakMap()`, `new WeakSet()`, `[]`, `{}`), which is only good for being filled later.
 * Not caught: objects that are filled when declared and changed afterwards, and static class fields.
 */
const noModuleState = rule((context) => ({
  VariableDeclaration(node) {
    const { parent } = node;
    const atTop = parent.type === "Program" ||
      (parent.type === "ExportNamedDeclaration" && parent.parent.type === "Program");
    if (!atTop || node.declare) return;
    if (node.kind === "let" || node.kind === "var") {
      context.report({ node, message: `No module-level mutable state: "${node.kind}" at module level` });
      return;
    }
    for (const { init } of node.declarations) {
      if (init && isEmptyCollection(init)) {
        context.report({
          node,
          message: "No module-level mutable state: an empty collection at module level",
        });
      }
    }
  },
}));

function isEmptyCollection(init: Deno.lint.Expression): boolean {
  if (init.type === "ArrayExpression") return init.elements.length === 0;
  if (init.type === "ObjectExpression") return init.properties.length === 0;
  return init.type === "NewExpression" && init.arguments.length === 0 &&
    init.callee.type === "Identifier" && /^(Weak)?(Map|Set)$/.test(init.callee.name);
}

/** Importing a module does nothing: only `main.ts` may wait at the top. */
const noTopLevelAwait = rule((context, path) => {
  if (path === "main.ts") return {};
  const judge = (node: Node) => {
    const inFunction = context.sourceCode.getAncestors(node).some((ancestor) =>
      /Function/.test(ancestor.type)
    );
    if (!inFunction) context.report({ node, message: "No top-level await outside main.ts" });
  };
  return {
    AwaitExpression: judge,
    "ForOfStatement[await=true]": judge,
    "VariableDeclaration[kind='await using']": judge,
  };
});

/** Plugins have a default export because a host loads them by address; this file because the linter does. */
const noDefaultExport = rule((context, path) => {
  if (topFolder(path) === "plugins" || path === "tools/lint_layers.ts") return {};
  const report = (node: Node) =>
    context.report({ node, message: "No default exports: name what you export" });
  return {
    ExportDefaultDeclaration: report,
    ExportSpecifier(node) {
      if (node.exported.type === "Identifier" && node.exported.name === "default") report(node);
    },
  };
});

const plainTypescript = rule((context) => ({
  TSEnumDeclaration: (node) => context.report({ node, message: "No enums: use a union of literals" }),
  TSModuleDeclaration(node) {
    if (node.declare && node.id.type === "Literal") return;
    context.report({ node, message: "No namespaces: use a module" });
  },
  Decorator: (node) => context.report({ node, message: "No decorators: call a function" }),
}));

const lengths = rule((context, path) => {
  const judgeFunction = (node: Node) => {
    const count = context.sourceCode.getText(node).split("\n").length;
    if (count <= MAX_FUNCTION_LINES) return;
    const message = `Function has ${count} lines, at most ${MAX_FUNCTION_LINES}: split it by meaning`;
    // Only its head: the whole function underlined would hide the other findings.
    context.report({ range: [node.range[0], node.range[0] + 1], message });
  };
  const functions: Visitor = isTest(path) ? {} : {
    FunctionDeclaration: judgeFunction,
    FunctionExpression: judgeFunction,
    ArrowFunctionExpression: judgeFunction,
  };
  return {
    Program() {
      const count = context.sourceCode.text.replace(/\n$/, "").split("\n").length;
      const limit = isTest(path) ? MAX_TEST_FILE_LINES : MAX_FILE_LINES;
      if (count <= limit) return;
      context.report({
        range: [0, 1],
        message: `File has ${count} lines, at most ${limit}: split it by meaning`,
      });
    },
    ...functions,
  };
});

const names = rule((context, path) => ({
  Program() {
    const parts = path.split("/");
    const file = parts.at(-1) ?? "";
    const report = (message: string) => context.report({ range: [0, 0], message });
    if (!SNAKE_CASE_FILE.test(file)) report(`File name "${file}" is not snake_case`);
    for (const part of [...parts.slice(0, -1), file.replace(/(_test)?\.ts$/, "")]) {
      if (FORBIDDEN_NAMES.includes(part)) report(`Name "${part}" says nothing about what is inside`);
    }
    if (LAYERS[topFolder(path)] === undefined) {
      report(`Folder "${topFolder(path)}" is not in the layer table`);
    }
  },
}));

const plugin: Deno.lint.Plugin = {
  name: "intentgate",
  rules: {
    layers,
    "pure-core": pureCore,
    "sql-in-store": sqlInStore,
    "no-module-state": noModuleState,
    "no-top-level-await": noTopLevelAwait,
    "no-default-export": noDefaultExport,
    "plain-typescript": plainTypescript,
    lengths,
    names,
  },
};
export default plugin;
