/** Who may use a route: every route says so with `access(…)`, and one that does not lets nobody start the admin API. */
import type { MiddlewareHandler } from "hono";
import { OPERATOR_ROLES, type OperatorRole } from "../core/operator.ts";
import type { Access, AccessScope } from "./contract/route.ts";
import type { AdminApp, AdminVariables } from "./environment.ts";
import { ProblemError } from "./problem.ts";

const DECLARED = Symbol("access");

/** The first handler of a route: refuses operators whose role or tenants are too small, with 403. */
export function access(role: OperatorRole, scope: AccessScope): MiddlewareHandler<AdminVariables> {
  const handler: MiddlewareHandler<AdminVariables> = async (context, next) => {
    const operator = context.get("operator");
    if (rankOf(operator.role) < rankOf(role)) {
      throw forbidden(`Expected the role "${role}", operator "${operator.id}" has "${operator.role}"`);
    }
    if (scope === "all" && operator.tenants !== "*") {
      throw forbidden(`Expected an operator of every tenant, "${operator.id}" is one of some`);
    }
    await next();
  };
  return Object.assign(handler, { [DECLARED]: { role, scope } });
}

/** Roles stand in a line: whoever may more than an auditor may read the record too. */
function rankOf(role: OperatorRole): number {
  return OPERATOR_ROLES.indexOf(role);
}

/** What a handler made by `access` declares. */
export function accessOf(handler: unknown): Access | undefined {
  return typeof handler === "function" ? (handler as { [DECLARED]?: Access })[DECLARED] : undefined;
}

/** Every route by method and path with what it declares; `undefined` when its first handler is not `access(…)`. */
export function declaredAccess(app: AdminApp): ReadonlyMap<string, Access | undefined> {
  const declared = new Map<string, Access | undefined>();
  for (const { method, path, handler } of app.routes) {
    const name = `${method} ${path.replace("{.+}", "")}`;
    if (name === "ALL /*") continue; // the authentication in front of all of them
    if (!declared.has(name)) declared.set(name, accessOf(handler));
  }
  return declared;
}

/** Refuses an app with a route that declares nothing. */
export function requireDeclaredAccess(app: AdminApp): void {
  const silent = [...declaredAccess(app)].filter(([, declared]) => declared === undefined);
  if (silent.length === 0) return;
  const names = silent.map(([name]) => `"${name}"`).join(", ");
  throw new TypeError(`Expected access(…) as the first handler of every route, missing at ${names}`);
}

function forbidden(detail: string): ProblemError {
  return new ProblemError({ status: 403, code: "forbidden", detail });
}
