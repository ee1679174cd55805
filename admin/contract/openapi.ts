/** The OpenAPI 3.1 document, made from the schemas that parse the requests. */
import * as z from "zod";
import type { JsonObject } from "../../core/json.ts";
import {
  IDEMPOTENCY_KEY_SECONDS,
  IDEMPOTENCY_PROBLEMS,
  idempotencyKeyHeader,
  REPLAYED_HEADER,
} from "./idempotency_key.ts";
import { PROBLEM_TITLES, problemSchema, type ProblemStatus } from "./problem.ts";
import { ROUTE_SPECS } from "./routes.ts";
import type { RouteProblem, RouteSpec } from "./route.ts";
import { tenantSchema } from "./tenants.ts";
import { tokenRow } from "./tokens.ts";
import { jsonValue } from "./words.ts";

const DESCRIPTION = [
  "The operator's API of an IntentGate gateway. Every request carries an operator token. Bodies and parameters are",
  "read strictly: what is not described here is an error. A body that fits its schema is never answered with 400, unless",
  "two readers of JSON could read it differently.",
  "Lists take `limit` and `after`, the `next_after` of the page before, and keep their order. Every write takes an",
  `\`Idempotency-Key\`; its answer is kept for ${IDEMPOTENCY_KEY_SECONDS / 3600} hours.`,
].join(" ");

/** Builds the document for a version of the gateway. */
export function openApiDocument(version: string): JsonObject & { readonly openapi: "3.1.1" } {
  const schemas = componentSchemas();
  const responses = componentResponses();
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const spec of ROUTE_SPECS) {
    const operations = paths[spec.path] ??= {};
    operations[spec.method.toLowerCase()] = operation(spec, schemas.nameOf, responses.refTo);
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "IntentGate admin API",
      version,
      description: DESCRIPTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/api/v1" }],
    security: [{ operatorToken: [] }],
    paths,
    components: {
      securitySchemes: {
        operatorToken: {
          type: "http",
          scheme: "bearer",
          description: "The start-up token, or one of POST /operators.",
        },
      },
      schemas: schemas.all,
      responses: responses.all(),
    },
  };
}

/** Every status that a route may answer a problem with, and the problems behind it. */
export function problemsOf(spec: RouteSpec): ReadonlyMap<ProblemStatus, readonly RouteProblem[]> {
  const isWrite = spec.method !== "GET";
  const found = new Map<ProblemStatus, RouteProblem[]>();
  const add = (status: ProblemStatus, ...problems: readonly RouteProblem[]) =>
    void found.set(status, [...found.get(status) ?? [], ...problems]);
  add(400, { code: "invalid_request", when: "A parameter or the body is not what it should be." });
  if (spec.body !== undefined) add(400, { code: "invalid_json", when: "The body is not strict JSON." });
  add(401, { code: "unauthenticated", when: "No operator token, or an unknown, expired or deleted one." });
  if (spec.access.role !== "auditor" || spec.access.scope === "all" || spec.mayTakeMore !== undefined) {
    add(403, {
      code: "forbidden",
      when: spec.mayTakeMore ?? "The operator's role or tenants are not enough.",
    });
  }
  if (spec.unknown !== undefined) add(404, spec.unknown);
  for (const status of [404, 409, 422, 429] as const) add(status, ...spec.problems?.[status] ?? []);
  if (isWrite) { for (const status of [409, 422] as const) add(status, ...IDEMPOTENCY_PROBLEMS[status]); }
  if (spec.body !== undefined) {
    add(413, { code: "body_too_large", when: "The body is longer than 256 KiB." });
    add(415, { code: "unsupported_media_type", when: "The body is not `application/json`." });
  }
  add(429, { code: "throttled", when: "Too many failed attempts came from this address." });
  if (isWrite) {
    add(429, {
      code: "idempotency_keys_exhausted",
      when: "The operator has too many keys that are still kept.",
    });
  }
  add(500, { code: "internal", when: "A fault; the gateway's log says more." });
  add(503, { code: "database_unavailable", when: "The database did not answer in time." });
  return new Map([...found].filter(([, problems]) => problems.length > 0).sort(([a], [b]) => a - b));
}

function operation(
  spec: RouteSpec,
  nameOf: (schema: z.ZodType) => string,
  refTo: (status: ProblemStatus, response: JsonObject) => JsonObject,
): JsonObject {
  const { role, scope } = spec.access;
  return {
    operationId: spec.id,
    summary: spec.summary,
    description: `Role: ${role}. Tenants: ${SCOPES[scope]}.`,
    tags: [spec.path.split("/")[1] ?? ""],
    ...optional("parameters", parametersOf(spec)),
    ...(spec.body === undefined ? {} : { requestBody: { required: true, content: json(nameOf(spec.body)) } }),
    responses: {
      [spec.answer.status]: {
        description: spec.answer.description,
        content: "schema" in spec.answer ? json(nameOf(spec.answer.schema)) : file(spec.answer.file),
        ...(spec.method === "GET" ? {} : { headers: { [REPLAYED_HEADER]: REPLAYED } }),
        ...linksOf(spec),
      },
      ...Object.fromEntries(
        [...problemsOf(spec)].map(([status, problems]) => [status, refTo(status, problem(status, problems))]),
      ),
    },
  };
}

const SCOPES = {
  tenant: "the one that is named must be the operator's own",
  own: "the answer covers the operator's own",
  all: "only operators of every tenant",
} as const;

const REPLAYED: JsonObject = {
  description: "The answer was given before, to a request with the same key; nothing was done now.",
  schema: { type: "string", const: "true" },
};

function problem(status: ProblemStatus, problems: readonly RouteProblem[]): JsonObject {
  const text = problems.map(({ code, when }) => `\`${code}\`: ${when}`).join("\n");
  const headers = HEADERS[status];
  return {
    description: `${PROBLEM_TITLES[status]}.\n${text}`,
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    ...(headers === undefined ? {} : { headers }),
  };
}

const HEADERS: Readonly<Partial<Record<ProblemStatus, JsonObject>>> = {
  401: { "www-authenticate": { required: true, schema: { type: "string" } } },
  429: {
    "retry-after": {
      required: true,
      description: "Seconds.",
      schema: { type: "string", pattern: "^[1-9][0-9]*$" },
    },
  },
};

function parametersOf(spec: RouteSpec): readonly JsonObject[] {
  const key = {
    ...{ name: "Idempotency-Key", in: "header", required: false },
    description: "Makes the request safe to repeat: one change, however often it is sent with this key.",
    schema: bare(idempotencyKeyHeader),
    example: '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
  };
  return [
    ...members("path", spec.params),
    ...members("query", spec.query),
    ...members("header", spec.headers),
    ...(spec.method === "GET" ? [] : [key]),
  ];
}

function members(where: "path" | "query" | "header", schema: z.ZodObject | undefined): readonly JsonObject[] {
  return Object.entries(schema?.shape ?? {}).map(([name, member]) => {
    const { description, ...rest } = bare(member as z.ZodType);
    const required = where === "path" || !(member as z.ZodType).safeParse(undefined).success;
    return { name, in: where, required, ...(description === undefined ? {} : { description }), schema: rest };
  });
}

function linksOf(spec: RouteSpec): JsonObject {
  const links = Object.entries(spec.leadsTo ?? {}).map(([operationId, parameters]) => {
    const taken = Object.entries(parameters).map(([name, member]) => [name, `$response.body#/${member}`]);
    return [operationId, { operationId, parameters: Object.fromEntries(taken) }];
  });
  return links.length === 0 ? {} : { links: Object.fromEntries(links) };
}

/** The bodies as they are sent and the answers as they are given, each under a name. */
function componentSchemas() {
  const names = new Map<z.ZodType, string>([
    [problemSchema, "Problem"],
    [tenantSchema, "Tenant"],
    [tokenRow, "MintedToken"],
  ]);
  const bodies = z.registry<{ id: string }>();
  const answers = z.registry<{ id: string }>();
  for (const [schema, id] of names) answers.add(schema, { id });
  register(bodies, jsonValue, "JsonValue");
  for (const { id, body, answer } of ROUTE_SPECS) {
    if (body !== undefined) register(bodies, body, `${capitalized(id)}Body`);
    if ("schema" in answer) register(answers, answer.schema, `${capitalized(id)}Answer`);
  }
  function register(registry: typeof bodies, schema: z.ZodType, id: string): void {
    if (names.has(schema)) return;
    names.set(schema, id);
    registry.add(schema, { id });
  }
  const uri = (id: string) => `#/components/schemas/${id}`;
  const all = {
    ...z.toJSONSchema(bodies, { io: "input", uri }).schemas,
    ...z.toJSONSchema(answers, { io: "output", uri }).schemas,
  };
  return {
    all: Object.fromEntries(Object.entries(all).map(([id, schema]) => [id, withoutIds(schema)])),
    nameOf: (schema: z.ZodType) => names.get(schema) ?? "Problem",
  };
}

/** Answers to errors, each written once: most routes share most of them. */
function componentResponses() {
  const names = new Map<string, string>();
  const all: Record<string, JsonObject> = {};
  const refTo = (status: ProblemStatus, response: JsonObject): JsonObject => {
    const text = JSON.stringify(response);
    let name = names.get(text);
    if (name === undefined) {
      const title = PROBLEM_TITLES[status].replaceAll(" ", "");
      name = title in all
        ? `${title}${Object.keys(all).filter((other) => other.startsWith(title)).length + 1}`
        : title;
      names.set(text, name);
      all[name] = response;
    }
    return { $ref: `#/components/responses/${name}` };
  };
  return { all: () => all, refTo };
}

/** The schema of one value, without what only a document of its own would need. */
function bare(schema: z.ZodType): JsonObject {
  return withoutIds(z.toJSONSchema(schema, { io: "input" }));
}

function withoutIds({ $schema: _, $id: __, ...schema }: z.core.JSONSchema.BaseSchema): JsonObject {
  return schema as JsonObject;
}

function json(name: string): JsonObject {
  return { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } };
}

/** Bytes that no schema describes have none (OpenAPI 3.1, "Considerations for File Uploads"). */
function file(type: string): JsonObject {
  return { [type]: type.startsWith("text/") ? { schema: { type: "string" } } : {} };
}

function optional(name: string, rows: readonly JsonObject[]): JsonObject {
  return rows.length === 0 ? {} : { [name]: rows };
}

function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
