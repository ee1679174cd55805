/** What a route takes and answers, said once: requests are parsed by it, and the OpenAPI document is made from it. */
import type * as z from "zod";
import type { OperatorRole } from "../../core/operator.ts";

/**
 * Which tenants a route is about. `tenant`: one that the request names, held against the operator by `requireTenant`.
 * `own`: the answer covers only the operator's own tenants. `all`: the whole installation, so only operators of every
 * tenant may.
 */
export type AccessScope = "tenant" | "own" | "all";

/** Who may use a route. */
export interface Access {
  readonly role: OperatorRole;
  readonly scope: AccessScope;
}

/** A problem that a route may answer with beside those that all routes share: its code and when it comes. */
export interface RouteProblem {
  readonly code: string;
  readonly when: string;
}

/** An answer that is JSON. */
export interface JsonAnswer {
  readonly status: 200 | 201;
  readonly description: string;
  readonly schema: z.ZodType;
}

/** An answer that is no JSON. */
export interface FileAnswer {
  readonly status: 200;
  readonly description: string;
  /** Its content type. */
  readonly file: string;
}

/** One operation of the API. */
export interface RouteSpec {
  /** Name of the operation, unique in the API. */
  readonly id: string;
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Below the base path; parameters as `{name}`. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  /** Name of the last parameter of the path when slashes may stand in it. */
  readonly restOfPath?: string;
  /** Parameters of the path. One that does not fit names nothing: `unknown` is answered with 404. */
  readonly params?: z.ZodObject;
  readonly unknown?: RouteProblem & { readonly detail: string };
  /** Absent: no parameter is known. */
  readonly query?: z.ZodObject;
  /** Headers that the route itself looks at. */
  readonly headers?: z.ZodObject;
  /** JSON. Absent: no body is read. */
  readonly body?: z.ZodType;
  readonly answer: JsonAnswer | FileAnswer;
  readonly problems?: Readonly<Partial<Record<404 | 409 | 410 | 422 | 429, readonly RouteProblem[]>>>;
  /** Role and tenants are enough by the declaration, and yet what is asked for may take more: 403 is possible. */
  readonly mayTakeMore?: string;
  /** What of the answer the path of another operation takes: `{ operation: { parameter: member } }`. */
  readonly leadsTo?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Checks a description of a route and keeps its exact type. */
export function routeSpec<const Spec extends RouteSpec>(spec: Spec): Spec {
  return spec;
}

/** What is left of a member of the description after parsing; `undefined` where the route has none. */
export type ParsedOf<Spec extends RouteSpec, Part extends "params" | "query" | "body"> = Spec extends
  Record<Part, infer Schema extends z.ZodType> ? z.output<Schema> : undefined;

/** What the handler of a route that answers JSON must give. */
export type AnswerOf<Spec extends RouteSpec> = Spec["answer"] extends
  { readonly schema: infer Schema extends z.ZodType } ? z.input<Schema> : never;
