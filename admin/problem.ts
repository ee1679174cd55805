/** Problem details (RFC 9457): the one place where the admin API turns errors into bytes. */
import type { Context } from "hono";
import type * as z from "zod";

export interface Problem {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 429 | 500 | 503;
  /** Machine-readable, last segment of `type`. */
  readonly code: string;
  readonly detail: string;
  /** Sent as `retry-after`. */
  readonly retryAfterSeconds?: number;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
}

const TITLES: Readonly<Record<Problem["status"], string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** A refusal of the admin API; thrown by routes, answered by `problemResponse`. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

/** Answers with `application/problem+json`. */
export function problemResponse(context: Context, problem: Problem): Response {
  const body = {
    type: `urn:intentgate:problem:${problem.code}`,
    title: TITLES[problem.status],
    status: problem.status,
    detail: problem.detail,
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
  };
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
  };
  if (problem.status === 401) headers["www-authenticate"] = 'Bearer realm="intentgate-admin"';
  if (problem.retryAfterSeconds !== undefined) headers["retry-after"] = String(problem.retryAfterSeconds);
  return context.body(JSON.stringify(body), problem.status, headers);
}

/** What a zod schema had against a value, as problem details with JSON pointers. */
export function invalid(issues: readonly z.core.$ZodIssue[]): ProblemError {
  const errors = issues.slice(0, 50).map((issue) => ({
    pointer: issue.path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join(
      "",
    ),
    detail: issue.message,
  }));
  const detail = errors.map((error) => `${error.pointer || "the body"}: ${error.detail}`).join("; ");
  return new ProblemError({ status: 400, code: "invalid_request", detail, errors });
}
