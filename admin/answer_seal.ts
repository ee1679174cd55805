/** Kept answers may hold tokens, so they are stored sealed: only the gateway can read them. */
import { createSeal, type SealKeys } from "../core/sealing.ts";
import type { KeyedRequest } from "./idempotency.ts";

/** Seals answers for the request that they answer. */
export interface AnswerSeal {
  seal(answer: string, request: KeyedRequest): Promise<string>;
  /** `undefined` when the key is gone or the text belongs to another request. */
  open(sealed: string, request: KeyedRequest): Promise<string | undefined>;
}

/** Seals under the active key and opens under any. A text opens only for the operator, key and request it was made for. */
export function createAnswerSeal(
  keys: SealKeys,
  randomBytes: (length: number) => Uint8Array,
): AnswerSeal {
  const context = "intentgate-idempotency-v1";
  // Answers come from our own database, which bounds them.
  const seal = createSeal({ keys, prefix: "igi1.", context, maxLength: Infinity, randomBytes });
  return {
    seal: (answer, request) => seal.seal(answer, boundTo(request)),
    open: async (sealed, request) => {
      const answer = await seal.open(sealed, boundTo(request));
      return typeof answer === "string" ? answer : undefined;
    },
  };
}

/** JSON of a list of texts: no two lists give the same text. */
function boundTo({ operator, key, requestSha256 }: KeyedRequest): string {
  return JSON.stringify([operator, key, requestSha256.toHex()]);
}
