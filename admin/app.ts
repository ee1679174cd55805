/** The operator's HTTP API: `/api/v1`, one file per resource. */
import { Hono } from "hono";
import { GatewayError } from "../core/errors.ts";
import type { AdminApp, AdminVariables } from "./environment.ts";
import { type OperatorCredentials, operatorOf } from "./operator.ts";
import { ProblemError, problemResponse } from "./problem.ts";

export interface AdminAppOptions {
  readonly credentials: OperatorCredentials;
  readonly sourceIpOf: (request: Request) => string;
  readonly routes: Readonly<Record<"tokens" | "revocations" | "audit", AdminApp>>;
  /** Faults that nobody asked for; the answer never carries their text. */
  readonly onError: (error: unknown) => void;
}

/** Joins the resources behind the operator's authentication. */
export function adminApp(options: AdminAppOptions): AdminApp {
  const app: AdminApp = new Hono<AdminVariables>();
  app.use("*", async (context, next) => {
    const operator = operatorOf(options.credentials, context.req.header("authorization"));
    if (operator === undefined) {
      const detail = 'Expected the header "Authorization: Bearer <operator token>"';
      return problemResponse(context, { status: 401, code: "unauthenticated", detail });
    }
    context.set("operator", operator);
    context.set("sourceIp", options.sourceIpOf(context.req.raw));
    await next();
    context.header("cache-control", "no-store");
  });
  app.route("/tokens", options.routes.tokens);
  app.route("/revocations", options.routes.revocations);
  app.route("/audit", options.routes.audit);
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
