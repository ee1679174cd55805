import type { Context } from "hono";
import * as z from "zod";
import { concatBytes } from "../core/bytes.ts";
import { parseStrictJsonBytes, StrictJsonError } from "../core/strict_json.ts";
import { invalid, ProblemError } from "./problem.ts";

const MAX_BODY_BYTES = 256 * 1024;

/** Text that audit events and the database can hold: PostgreSQL has no U+0000, and nobody reads control characters. */
export function plainText(maxLength: number) {
  return z.string().max(maxLength).regex(/^\P{Cc}*$/u, "text without control characters");
}

/** A query parameter that is a whole number, spelled in one way only. */
export function wholeNumber(least: number, most: number) {
  return z.string().regex(/^(0|[1-9][0-9]{0,15})$/, "a whole number").transform(Number)
    .pipe(z.number().min(least).max(most));
}

/** Reads a JSON body of at most 256 KiB through the strict parser and a strict schema. */
export async function readBody<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const type = context.req.header("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new ProblemError({
      status: 415,
      code: "unsupported_media_type",
      detail: `Expected content type "application/json", found "${type.slice(0, 100)}"`,
    });
  }
  const value = parse(await readBounded(context.req.raw.body));
  const result = schema.safeParse(value);
  if (!result.success) throw invalid(result.error.issues);
  return result.data;
}

/** Parses query parameters; an unknown or repeated one is an error. */
export function readQuery<Schema extends z.ZodType>(context: Context, schema: Schema): z.infer<Schema> {
  const queries = context.req.queries();
  const single: Record<string, string> = {};
  for (const [name, values] of Object.entries(queries)) {
    if (values.length !== 1 || values[0] === undefined) {
      throw new ProblemError({
        status: 400,
        code: "invalid_request",
        detail: `Query parameter "${name}" stands more than once`,
      });
    }
    single[name] = values[0];
  }
  const result = schema.safeParse(single);
  if (!result.success) throw invalid(result.error.issues);
  return result.data;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return parseStrictJsonBytes(bytes);
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new ProblemError({ status: 400, code: "invalid_json", detail: error.message });
  }
}

async function readBounded(stream: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      throw new ProblemError({
        status: 413,
        code: "body_too_large",
        detail: `The body is longer than ${MAX_BODY_BYTES} bytes`,
      });
    }
    chunks.push(chunk);
  }
  return concatBytes(chunks);
}
