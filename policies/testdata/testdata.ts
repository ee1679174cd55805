/** Compiled policies for tests: what each one does stands in its Rego source beside it. */
import { gunzipSync } from "node:zlib";
import forbiddenBuiltin from "./forbidden_builtin.wasm.gz" with { type: "bytes" };
import listedSet from "./listed_set.wasm.gz" with { type: "bytes" };
import probe from "./probe.wasm.gz" with { type: "bytes" };
import readOnly from "./read_only.wasm.gz" with { type: "bytes" };
import smallPayments from "./small_payments.wasm.gz" with { type: "bytes" };

/** Answers `input.answer`, or fails in the way that the input asks for. */
export function probeWasm(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gunzipSync(probe));
}

/** Calls `http.send`. */
export function forbiddenBuiltinWasm(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gunzipSync(forbiddenBuiltin));
}

/** Has a set for `may_list`. */
export function listedSetWasm(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gunzipSync(listedSet));
}

/** Allows what its annotations call read-only, escalates one prompt, and leaves lists to its decision. */
export function readOnlyWasm(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gunzipSync(readOnly));
}

/** The example of `docs/reference/policy_input.md`: allows small payments, and lists what pays. */
export function smallPaymentsWasm(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gunzipSync(smallPayments));
}
