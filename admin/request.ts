/** Reads a request by the description of its route. */
import type { Context } from "hono";
import * as z from "zod";
import type { JsonValue } from "../core/json.ts";
import type { Operator } from "../core/operator.ts";
import { readJson } from "./body.ts";
import type { ParsedOf, RouteSpec } from "./contract/route.ts";
import type { AdminVariables } from "./environment.ts";
import { invalid, ProblemError } from "./problem.ts";

/** Who asks for what. */
export interface AdminRequest<Spec extends RouteSpec> {
  readonly operator: Operator;
  readonly sourceIp: string;
  readonly params: ParsedOf<Spec, "params">;
  readonly query: ParsedOf<Spec, "query">;
  readonly body: ParsedOf<Spec, "body">;
}

const NO_PARAMETERS = z.strictObject({});
/** One spelling per number. */
const WHOLE = /^(0|[1-9][0-9]{0,15})$/;

/** Parses path, query and body, in this order; `sentBody` is the body before its defaults were filled in. */
export async function readRequest<Spec extends RouteSpec>(
  context: Context<AdminVariables>,
  spec: Spec,
): Promise<{ readonly request: AdminRequest<Spec>; readonly sentBody: JsonValue | undefined }> {
  const params = readParams(context, spec);
  const query = readQuery(context, spec.query ?? NO_PARAMETERS);
  const sentBody = spec.body === undefined ? undefined : await readJson(context);
  const body = spec.body === undefined ? undefined : parsed(spec.body, sentBody);
  const { operator, sourceIp } = context.var;
  // The types of the parts are those of the schemas that have just parsed them.
  const request = { operator, sourceIp, params, query, body } as AdminRequest<Spec>;
  return { request, sentBody };
}

/** A parameter of the path that does not fit names nothing that could exist. */
function readParams(context: Context, { params, unknown }: RouteSpec): unknown {
  if (params === undefined) return undefined;
  const result = params.safeParse(withNumbers(params, context.req.param() as Record<string, string>));
  if (result.success) return result.data;
  const { code, detail } = unknown ?? { code: "not_found", detail: "There is nothing of this name" };
  throw new ProblemError({ status: 404, code, detail });
}

/** An unknown or repeated parameter is an error. */
function readQuery(context: Context, schema: z.ZodObject): unknown {
  const single: Record<string, string> = {};
  for (const [name, values] of Object.entries(context.req.queries())) {
    if (values.length !== 1 || values[0] === undefined) {
      const detail = `Query parameter "${name.slice(0, 100)}" stands more than once`;
      throw new ProblemError({ status: 400, code: "invalid_request", detail });
    }
    single[name] = values[0];
  }
  return parsed(schema, withNumbers(schema, single));
}

/** Texts as numbers where the schema wants numbers; what is spelled in another way stays a text and is refused. */
function withNumbers(schema: z.ZodObject, texts: Readonly<Record<string, string>>): Record<string, unknown> {
  const convert = (name: string, text: string): unknown =>
    WHOLE.test(text) && Object.hasOwn(schema.shape, name) && isNumber(schema.shape[name])
      ? Number(text)
      : text;
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, convert(name, text)]));
}

function isNumber(schema: unknown): boolean {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return isNumber(schema.unwrap());
  return schema instanceof z.ZodNumber;
}

function parsed(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (!result.success) throw invalid(result.error.issues);
  return result.data;
}
