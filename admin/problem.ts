/** Problem details (RFC 9457): the one place where the admin API turns errors into bytes. */
import type { Context } from "hono";
import type * as z from "zod";
import { PROBLEM_TITLES, type problemSchema, type ProblemStatus } from "./contract/problem.ts";

export interface Problem {
  readonly status: ProblemStatus;
  /** Machine-readable, last segment of `type`. */
  readonly code: string;
  readonly detail: string;
  /** Sent as `retry-after`. */
  readonly retryAfterSeconds?: number;
  /** Methods that there are, sent as `allow`. */
  readonly allow?: readonly string[];
  readonly errors?: z.infer<typeof problemSchema>["errors"];
}

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
    title: PROBLEM_TITLES[problem.status],
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
  if (problem.allow !== undefined) headers.allow = problem.allow.join(", ");
  return context.body(JSON.stringify(body), problem.status, headers);
}

/** What a zod schema had against a value, as problem details with JSON pointers. */
export function invalid(issues: readonly z.core.$ZodIssue[], at: readonly string[] = []): ProblemError {
  const errors = issues.slice(0, 50).map((issue) => ({
    pointer: [...at, ...issue.path].map((part) =>
      `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`
    ).join(
      "",
    ),
    detail: issue.message,
  }));
  const detail = errors.map((error) => `${error.pointer || "the body"}: ${error.detail}`).join("; ");
  return new ProblemError({ status: 400, code: "invalid_request", detail, errors });
}
