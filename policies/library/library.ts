/** The policies that come with the program, compiled when they were written: see `tools/build_policy.sh`. */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import source from "./default.rego" with { type: "text" };
import compressed from "./default.wasm.gz" with { type: "bytes" };

/** A shipped policy with its source. */
export interface LibraryPolicy {
  readonly name: string;
  /** SHA-256 of the Wasm, lower-case hex: the policy's digest in decisions. */
  readonly digest: string;
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly source: string;
}

/** Unpacks the policy that is enforced until an operator writes one. */
export function loadDefaultPolicy(): LibraryPolicy {
  const wasm = new Uint8Array(gunzipSync(compressed));
  return { name: "default", digest: createHash("sha256").update(wasm).digest("hex"), wasm, source };
}
