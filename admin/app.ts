/** The operator's HTTP API: `/api/v1`, one file per resource. */
import { Hono } from "hono";
import { GatewayError } from "../core/errors.ts";
import { access, requireDeclaredAccess } from "./access.ts";
import { authentication, type AuthenticationOptions } from "./authentication.ts";
import { ROUTE_SPECS } from "./contract/routes.ts";
import type { AdminApp, AdminVariables } from "./environment.ts";
import { ProblemError, problemResponse } from "./problem.ts";
import type { AdminRoute } from "./route.ts";
import { unmatched } from "./unmatched.ts";

export interface AdminAppOptions extends AuthenticationOptions {
  /** All that `ROUTE_SPECS` describes. */
  readonly routes: readonly AdminRoute[];
  /** Faults that nobody asked for; the answer never carries their text. */
  readonly onError: (error: unknown) => void;
}

/**
 * Serves the routes behind the operator's authentication. Throws when one is not described, one that is described is
 * missing, or one does not say who may use it.
 */
export function adminApp(options: AdminAppOptions): AdminApp {
  requireDescribed(options.routes);
  const app: AdminApp = new Hono<AdminVariables>();
  app.use("*", authentication(options));
  for (const { spec, handler } of options.routes) {
    const path = spec.path.replaceAll(
      /\{(\w+)\}/g,
      (_, name) => name === spec.restOfPath ? `:${name}{.+}` : `:${name}`,
    );
    app.on(spec.method, path, access(spec.access.role, spec.access.scope), handler);
  }
  requireDeclaredAccess(app);
  app.all("*", unmatched(ROUTE_SPECS));
  app.onError((error, context) => {
    if (error instanceof ProblemError) return problemResponse(context, error.problem);
    options.onError(error);
    if (error instanceof GatewayError && error.code === "database_unavailable") {
      const detail = "The database did not answer in time";
      return problemResponse(context, { status: 503, code: error.code, detail });
    }
    return problemResponse(context, {
      status: 500,
      code: "internal",
      detail: "The request could not be served",
    });
  });
  return app;
}

function requireDescribed(routes: readonly AdminRoute[]): void {
  const served = new Set(routes.map(({ spec }) => spec));
  const missing = ROUTE_SPECS.filter((spec) => !served.has(spec));
  const unknown = [...served].filter((spec) => !ROUTE_SPECS.includes(spec));
  if (missing.length === 0 && unknown.length === 0) return;
  const names = [...missing, ...unknown].map(({ id }) => `"${id}"`).join(", ");
  throw new TypeError(`Expected the routes that are described and no others, differing in ${names}`);
}
