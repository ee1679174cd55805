/** Problem details (RFC 9457) as they are documented. */
import * as z from "zod";

/** Every status that a problem of the API may have, with its title. */
export const PROBLEM_TITLES = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  410: "Gone",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

export type ProblemStatus = keyof typeof PROBLEM_TITLES;

/** The body of every error. */
export const problemSchema = z.strictObject({
  type: z.string().regex(/^urn:intentgate:problem:[a-z_]+$/)
    .describe("`urn:intentgate:problem:` and the code."),
  title: z.string(),
  status: z.int().min(400).max(599),
  detail: z.string().describe("What was expected and what came."),
  errors: z.array(z.strictObject({
    pointer: z.string().describe("JSON Pointer into the body, or the parameter as one."),
    detail: z.string(),
  })).optional(),
}).describe("Problem details (RFC 9457).");
