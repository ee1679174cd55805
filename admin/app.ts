/** The operator's HTTP API: `/api/v1`, one file per resource. */
import { Hono } from "hono";
import { GatewayError } from "../core/errors.ts";
import { requireDeclaredAccess } from "./access.ts";
import { authentication, type AuthenticationOptions } from "./authentication.ts";
import type { AdminApp, AdminVariables } from "./environment.ts";
import { ProblemError, problemResponse } from "./problem.ts";

export interface AdminAppOptions extends AuthenticationOptions {
  readonly routes: Readonly<Record<(typeof RESOURCES)[number], AdminApp>>;
  /** Faults that nobody asked for; the answer never carries their text. */
  readonly onError: (error: unknown) => void;
}

/** Resources by the first segment of their path. */
const RESOURCES = ["tokens", "revocations", "audit", "operators", "tenants", "kill-switches"] as const;

/** Joins the resources behind the operator's authentication; throws when a route does not say who may use it. */
export function adminApp(options: AdminAppOptions): AdminApp {
  const app: AdminApp = new Hono<AdminVariables>();
  app.use("*", authentication(options));
  for (const resource of RESOURCES) app.route(`/${resource}`, options.routes[resource]);
  requireDeclaredAccess(app);
  app.notFound((context) => {
    const detail = `There is nothing at ${context.req.method} "${context.req.path.slice(0, 200)}"`;
    return problemResponse(context, { status: 404, code: "not_found", detail });
  });
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
