import type { Context } from "hono";
import { concatBytes } from "../core/bytes.ts";
import type { JsonValue } from "../core/json.ts";
import { parseStrictJsonBytes, StrictJsonError } from "../core/strict_json.ts";
import { ProblemError } from "./problem.ts";

const MAX_BODY_BYTES = 256 * 1024;

/** Reads a JSON body of at most 256 KiB through the strict parser. */
export async function readJson(context: Context): Promise<JsonValue> {
  const type = context.req.header("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new ProblemError({
      status: 415,
      code: "unsupported_media_type",
      detail: `Expected content type "application/json", found "${type.slice(0, 100)}"`,
    });
  }
  return parse(await readBounded(context.req.raw.body));
}

function parse(bytes: Uint8Array): JsonValue {
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
