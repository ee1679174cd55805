/** Compiled policies for tests: what each one does stands in its Rego source beside it. */
import { gunzipSync } from "node:zlib";
import forbiddenBuiltin from "./forbidden_builtin.wasm.gz" with { type: "bytes" };
import probe from "./probe.wasm.gz" with { type: "bytes" };

/** Answers `input.answer`, or fails in the way that the input asks for. */
export function probeWasm(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gunzipSync(probe));
}

/** Calls `http.send`. */
export function forbiddenBuiltinWasm(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gunzipSync(forbiddenBuiltin));
}
