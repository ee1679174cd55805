/**
 * Writes that are safe to repeat: with the same `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) the change
 * is made once, and every repetition gets the first answer. The answer is kept in the transaction of the change.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import type { Tx } from "../core/tx.ts";
import type { AnswerSeal } from "./answer_seal.ts";
import { IDEMPOTENCY_KEY_SECONDS, idempotencyKeyHeader } from "./contract/idempotency_key.ts";
import { invalid, ProblemError } from "./problem.ts";

/** Keys of one operator that are kept at once, apart from those in flight. */
const MAX_KEYS = 10_000;

/** A request with a key: whose it is, and a digest of what it asks for. */
export interface KeyedRequest {
  readonly operator: string;
  readonly key: string;
  readonly requestSha256: Uint8Array;
}

/** What was answered. */
export interface SentAnswer {
  readonly status: number;
  /** JSON. */
  readonly text: string;
}

interface KeptAnswer {
  readonly requestSha256: Uint8Array;
  readonly sealed: string;
}
type OwnedKey = Pick<KeyedRequest, "operator" | "key">;

/** Where answers are kept; `store/idempotency.ts` fits. */
export interface IdempotencyStore {
  find(owned: OwnedKey): Promise<KeptAnswer | undefined>;
  claim(tx: Tx, owned: OwnedKey, most: number): Promise<
    | { readonly state: "free" | "in_flight" }
    | { readonly state: "full"; readonly retryAfterSeconds: number }
    | { readonly state: "kept"; readonly kept: KeptAnswer }
  >;
  keep(tx: Tx, owned: OwnedKey, kept: KeptAnswer, seconds: number): Promise<void>;
  forget(tx: Tx, operator: string): Promise<void>;
}

/** Answers of requests with a key. */
export interface Idempotency {
  readonly store: IdempotencyStore;
  readonly seal: AnswerSeal;
}

/** Reads the header; `undefined` when there is none. `body` is what was sent, parsed. */
export function keyedRequest(
  header: string | undefined,
  operator: string,
  request: { readonly method: string; readonly path: string; readonly body: JsonValue | undefined },
): KeyedRequest | undefined {
  if (header === undefined) return undefined;
  const parsed = idempotencyKeyHeader.safeParse(header);
  if (!parsed.success) throw invalid(parsed.error.issues, ["Idempotency-Key"]);
  const { method, path, body } = request;
  const text = JSON.stringify([method, path, body ?? null], inOrder);
  return {
    operator,
    key: parsed.data.replaceAll('"', ""),
    requestSha256: createHash("sha256").update(text, "utf8").digest(),
  };
}

/** Members in one order, so that the digest does not depend on how the same body was written. */
function inOrder(_name: string, value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => left < right ? -1 : 1));
}

/** The answer that was given before to this request, outside of any transaction. */
export async function findAnswer(
  { store, seal }: Idempotency,
  request: KeyedRequest,
): Promise<SentAnswer | undefined> {
  const kept = await store.find(request);
  return kept === undefined ? undefined : await openKept(seal, request, kept);
}

/** Takes the key for this transaction, or returns the answer that another one has kept by now. */
export async function claimKey(
  { store, seal }: Idempotency,
  tx: Tx,
  request: KeyedRequest,
): Promise<SentAnswer | undefined> {
  const claim = await store.claim(tx, request, MAX_KEYS);
  switch (claim.state) {
    case "free":
      return undefined;
    case "kept":
      return await openKept(seal, request, claim.kept);
    case "in_flight":
      throw new ProblemError({
        ...{ status: 409, code: "idempotency_in_flight" },
        detail: "A request with this idempotency key is being worked on: ask again with the same key",
      });
    case "full":
      throw new ProblemError({
        ...{ status: 429, code: "idempotency_keys_exhausted", retryAfterSeconds: claim.retryAfterSeconds },
        detail: `Operator "${request.operator}" has ${MAX_KEYS} idempotency keys that are still kept`,
      });
  }
}

/** Keeps the answer of a claimed key. */
export async function keepAnswer(
  { store, seal }: Idempotency,
  tx: Tx,
  request: KeyedRequest,
  answer: SentAnswer,
): Promise<void> {
  const sealed = await seal.seal(JSON.stringify([answer.status, answer.text]), request);
  await store.keep(tx, request, { requestSha256: request.requestSha256, sealed }, IDEMPOTENCY_KEY_SECONDS);
}

async function openKept(
  seal: AnswerSeal,
  request: KeyedRequest,
  kept: KeptAnswer,
): Promise<SentAnswer> {
  if (!timingSafeEqual(kept.requestSha256, request.requestSha256)) {
    throw new ProblemError({
      ...{ status: 422, code: "idempotency_key_reused" },
      detail: "Another request came with this idempotency key before: use a new key for a new request",
    });
  }
  const opened = await seal.open(kept.sealed, request);
  if (opened === undefined) {
    throw new ProblemError({
      ...{ status: 409, code: "idempotency_answer_unreadable" },
      detail: "The change was made, but its answer was sealed under a key that this gateway does not have",
    });
  }
  const [status, text] = JSON.parse(opened) as [number, string]; // what the key has authenticated is ours
  return { status, text };
}
