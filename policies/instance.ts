/** One running copy of a compiled policy: OPA's `LoadedPolicy` around a Wasm instance with imports of our own. */
import { Buffer } from "node:buffer";
import * as sdk from "@open-policy-agent/opa-wasm";
import { GatewayError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { BUILTINS } from "./builtins.ts";

/** The document that a policy must define: what it decides of a call. */
export const ENTRYPOINT = "intentgate/decision";
/** The document that a policy may define: whether a name is listed. */
export const LIST_ENTRYPOINT = "intentgate/may_list";

/** Pages of 64 KiB that OPA's runtime and a small heap need before a policy's own constants. */
const RUNTIME_PAGES = 8;
const PAGE_BYTES = 65_536;

/** Called with the name of a host builtin that threw; the expression became undefined. */
export type OnBuiltinError = (name: string, error: unknown) => void;

/** A compiled policy, ready to be instantiated. */
export interface PolicyModule {
  readonly module: WebAssembly.Module;
  /** What its memory starts with. The constants lie in the Wasm as they are, so its size bounds what they take. */
  readonly initialPages: number;
}

export interface PolicyInstanceOptions {
  readonly maxPages: number;
  readonly onBuiltinError: OnBuiltinError | undefined;
}

/** A copy of a policy. It serves one evaluation after the other; after a throw its memory cannot be trusted. */
export interface PolicyInstance {
  /** Evaluates a JSON text and returns OPA's result set. */
  evaluate(input: string): unknown;
  /** The same for `may_list`; absent where the policy has no such rule. */
  readonly mayList: ((input: string) => unknown) | undefined;
  memoryBytes(): number;
}

/** The part of OPA's Wasm ABI 1.2 that we call ourselves; `LoadedPolicy` calls the rest. */
interface PolicyExports {
  opa_malloc(length: number): number;
  opa_json_parse(address: number, length: number): number;
  opa_json_dump(value: number): number;
  opa_eval(
    reserved: 0,
    entrypoint: number,
    data: number,
    input: number,
    inputLength: number,
    heap: number,
    format: 0,
  ): number;
  builtins(): number;
  readonly opa_wasm_abi_version: WebAssembly.Global;
  readonly opa_wasm_abi_minor_version: WebAssembly.Global;
}

/** What the package's types leave out: the class is reached through the default export only. */
interface OpaSdk {
  readonly LoadedPolicy: new (
    instance: WebAssembly.Instance,
    memory: WebAssembly.Memory,
    minorVersion: number,
  ) => LoadedPolicy;
}
interface LoadedPolicy {
  readonly entrypoints: Readonly<Record<string, number>>;
  readonly dataAddr: number;
  readonly dataHeapPtr: number;
}
const { LoadedPolicy } = (sdk as unknown as { readonly default: OpaSdk }).default;

/** Compiles a policy's Wasm; throws when it is no Wasm. */
export function compilePolicyModule(wasm: Uint8Array<ArrayBuffer>): PolicyModule {
  return {
    module: new WebAssembly.Module(wasm),
    initialPages: RUNTIME_PAGES + Math.ceil(wasm.byteLength / PAGE_BYTES),
  };
}

/** Instantiates a policy; throws when the Wasm is no OPA policy or needs a builtin that we do not have. */
export function createPolicyInstance(
  policy: PolicyModule,
  options: PolicyInstanceOptions,
): PolicyInstance {
  const memory = new WebAssembly.Memory({ initial: policy.initialPages, maximum: options.maxPages });
  const host = new Host(memory, options.onBuiltinError);
  const instance = new WebAssembly.Instance(policy.module, { env: host.imports() });
  const exports = instance.exports as unknown as PolicyExports;
  checkAbi(exports);
  host.connect(exports);
  const loaded = new LoadedPolicy(instance, memory, exports.opa_wasm_abi_minor_version.value);
  const evaluatorOf = (name: string) => {
    const entrypoint = Object.hasOwn(loaded.entrypoints, name) ? loaded.entrypoints[name] : undefined;
    if (entrypoint === undefined) return undefined;
    // What the SDK's `evaluate` does, without its copies: the text is written straight into the policy's memory.
    return (input: string): unknown => {
      const { dataAddr, dataHeapPtr: at } = loaded;
      const length = writeText(memory, at, input);
      return JSON.parse(
        textAt(memory, exports.opa_eval(0, entrypoint, dataAddr, at, length, at + length, 0)),
      );
    };
  };
  const evaluate = evaluatorOf(ENTRYPOINT);
  if (evaluate === undefined) {
    throw new GatewayError("policy_failed", `Cannot load the policy: it has no entrypoint "${ENTRYPOINT}"`);
  }
  return {
    evaluate,
    mayList: evaluatorOf(LIST_ENTRYPOINT),
    memoryBytes: () => memory.buffer.byteLength,
  };
}

const encoder = new TextEncoder();

/** Writes a text as UTF-8 and returns its length in bytes; the memory grows when it must, and throws when it may not. */
function writeText(memory: WebAssembly.Memory, address: number, text: string): number {
  let room = memory.buffer.byteLength - address;
  // UTF-8 needs at most three bytes per UTF-16 unit: only a text near the limit has to be counted.
  if (text.length * 3 > room) {
    const missing = Buffer.byteLength(text, "utf8") - room;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    room = memory.buffer.byteLength - address;
  }
  const { read, written } = encoder.encodeInto(text, new Uint8Array(memory.buffer, address, room));
  if (read !== text.length) throw new RangeError("The input does not fit into the policy's memory");
  return written;
}

/** The text that ends with a zero byte. */
function textAt(memory: WebAssembly.Memory, address: number): string {
  const bytes = new Uint8Array(memory.buffer);
  return new TextDecoder().decode(bytes.subarray(address, bytes.indexOf(0, address)));
}

function checkAbi(exports: PolicyExports): void {
  // Wasm that is no policy lacks them: the types say what should be there.
  const major: unknown = exports.opa_wasm_abi_version?.value;
  const minor: unknown = exports.opa_wasm_abi_minor_version?.value;
  // Minor version 2 brought `opa_eval`, which reads input as the bytes that we hand over.
  if (major !== 1 || typeof minor !== "number" || minor < 2) {
    throw new GatewayError("policy_failed", "Cannot load the policy: expected OPA's Wasm ABI 1.2 or newer");
  }
}

/** What the Wasm may call. The SDK's own imports are not used: its `sprintf` is wrong and its builtins cannot be replaced. */
class Host {
  readonly #memory: WebAssembly.Memory;
  readonly #onBuiltinError: OnBuiltinError | undefined;
  #exports: PolicyExports | undefined;
  #names: readonly string[] = [];

  constructor(memory: WebAssembly.Memory, onBuiltinError: OnBuiltinError | undefined) {
    this.#memory = memory;
    this.#onBuiltinError = onBuiltinError;
  }

  imports(): WebAssembly.ModuleImports {
    const call = (id: number, _context: number, ...operands: number[]) => this.#call(id, operands);
    return {
      memory: this.#memory,
      opa_abort: (message: number) => {
        throw new PolicyAbort(this.#textAt(message));
      },
      // Output of `print`; compiled out of our policies, and policies have no log of their own.
      opa_println: () => undefined,
      opa_builtin0: call,
      opa_builtin1: call,
      opa_builtin2: call,
      opa_builtin3: call,
      opa_builtin4: call,
    };
  }

  /** Learns which number stands for which builtin, and refuses a policy that needs one which is not there. */
  connect(exports: PolicyExports): void {
    this.#exports = exports;
    const ids = JSON.parse(this.#textAt(exports.opa_json_dump(exports.builtins()))) as Record<string, number>;
    const missing = Object.keys(ids).filter((name) => !BUILTINS.has(name)).sort();
    if (missing.length > 0) {
      const quoted = missing.map((name) => `"${name}"`).join(", ");
      throw new GatewayError(
        "policy_failed",
        `Cannot load the policy: it calls ${quoted}, which this gateway does not provide`,
      );
    }
    const names: string[] = [];
    for (const [name, id] of Object.entries(ids)) names[id] = name;
    this.#names = names;
  }

  #call(id: number, operands: readonly number[]): number {
    const name = this.#names[id];
    const builtin = name === undefined ? undefined : BUILTINS.get(name);
    const exports = this.#exports;
    if (name === undefined || builtin === undefined || exports === undefined) {
      throw new PolicyAbort(`builtin ${id} is unknown`);
    }
    const values = operands.map((address) =>
      JSON.parse(this.#textAt(exports.opa_json_dump(address))) as JsonValue
    );
    let result: JsonValue | undefined;
    try {
      result = builtin(...values);
    } catch (error) {
      this.#onBuiltinError?.(name, error);
      return UNDEFINED;
    }
    return result === undefined ? UNDEFINED : this.#store(exports, result);
  }

  #store(exports: PolicyExports, value: JsonValue): number {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const address = exports.opa_malloc(bytes.length);
    new Uint8Array(this.#memory.buffer).set(bytes, address);
    const parsed = exports.opa_json_parse(address, bytes.length);
    if (parsed === 0) throw new PolicyAbort("a builtin's result cannot be read");
    return parsed;
  }

  #textAt(address: number): string {
    return textAt(this.#memory, address);
  }
}

/** The address that stands for Rego's undefined. */
const UNDEFINED = 0;

/** The policy gave up: two rules disagree, or its memory is used up. */
export class PolicyAbort extends Error {
  override readonly name = "PolicyAbort";
}
