/** Holds real answers against the OpenAPI document, and remembers which were seen. */
import assert from "node:assert/strict";
import * as z from "zod";
import type { JsonObject } from "../core/json.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

/** One answer: what was asked, and what came. */
export interface SeenAnswer {
  readonly method: string;
  /** Below the base path, without query. */
  readonly path: string;
  readonly response: Response;
}

/** Reads a document once; `check` throws for an answer that it does not describe. */
export function documented(document: JsonObject) {
  const { paths, components }: Json = document;
  const schemas = new Map<string, z.ZodType>();
  const seen = new Set<string>();
  const known = Object.keys(paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`),
  }));

  /** A schema of the document by its reference, as zod reads JSON Schema. */
  const schemaOf = (reference: string): z.ZodType => {
    let schema = schemas.get(reference);
    if (schema === undefined) {
      const text = JSON.stringify({ $ref: reference, $defs: reachable(components.schemas, reference) });
      schema = z.fromJSONSchema(JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/")));
      schemas.set(reference, schema);
    }
    return schema;
  };
  const resolved = (response: Json): Json =>
    response?.$ref === undefined ? response : components.responses[response.$ref.split("/").at(-1)];

  return {
    /** Statuses that were checked, as `POST /tokens 201`. */
    seen: seen as ReadonlySet<string>,
    /** Every status that the document describes, in the same form. */
    all: Object.entries<Json>(paths).flatMap(([path, operations]) =>
      Object.entries<Json>(operations).flatMap(([method, { responses }]) =>
        Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`)
      )
    ),
    async check({ method, path, response }: SeenAnswer): Promise<void> {
      const route = known.find(({ pattern }) => pattern.test(path))?.path ?? path;
      const name = `${method} ${route} ${response.status}`;
      const described = resolved(paths[route]?.[method.toLowerCase()]?.responses[response.status]);
      if (described === undefined && paths[route]?.[method.toLowerCase()] !== undefined) {
        assert.fail(`the document does not say that ${name} may come`);
      }
      const [type, { schema = undefined } = {}]: Json = Object.entries(
        described?.content ??
          { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      )[0];
      assert.equal(response.headers.get("content-type"), type, name);
      seen.add(name);
      if (!type.includes("json")) return;
      const body = await response.clone().json();
      const parsed = schemaOf(schema.$ref).safeParse(body);
      assert.ok(parsed.success, `${name}: ${JSON.stringify(body)}\n${parsed.error?.message}`);
      for (const [header, { required = false }] of Object.entries<Json>(described?.headers ?? {})) {
        if (required) assert.ok(response.headers.has(header), `${name} has no ${header}`);
      }
    },
  };
}

/** The schemas that one leads to, itself included. */
function reachable(schemas: Json, reference: string, found: Record<string, Json> = {}): Record<string, Json> {
  const name = reference.split("/").at(-1) ?? "";
  if (name in found) return found;
  found[name] = schemas[name];
  const inside = JSON.stringify(schemas[name]).matchAll(/"\$ref":"([^"]+)"/g);
  for (const [, next = ""] of inside) reachable(schemas, next, found);
  return found;
}
