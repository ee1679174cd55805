/** What is answered where no route is: 405 with the methods that there are, else 404. */
import type { Handler } from "hono";
import type { RouteSpec } from "./contract/route.ts";
import type { AdminVariables } from "./environment.ts";
import { ProblemError } from "./problem.ts";

/** The last handler of the API, wherever it is mounted. */
export function unmatched(specs: readonly RouteSpec[]): Handler<AdminVariables> {
  const paths = new Map<string, string[]>();
  const open = new Set<string>();
  for (const { path, method, restOfPath } of specs) {
    if (restOfPath !== undefined) open.add(path);
    const methods = method === "GET" ? ["GET", "HEAD"] : [method];
    paths.set(path, [...paths.get(path) ?? [], ...methods]);
  }
  const known = [...paths].map(([path, methods]) => ({ pattern: patternOf(path, open.has(path)), methods }));
  return (context) => {
    const { method, path } = context.req;
    const shown = `${method} "${path.slice(0, 200)}"`;
    const below = path.slice(context.req.routePath.length - "/*".length);
    const allow = known.find(({ pattern }) => pattern.test(below))?.methods;
    if (allow === undefined) {
      throw new ProblemError({ status: 404, code: "not_found", detail: `There is nothing at ${shown}` });
    }
    const detail = `Expected ${allow.join(" or ")}, found ${shown}`;
    throw new ProblemError({ status: 405, code: "method_not_allowed", detail, allow });
  };
}

function patternOf(path: string, isOpen: boolean): RegExp {
  const segments = path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+");
  return new RegExp(`^${segments}${isOpen ? "(/.+)?" : ""}$`);
}
