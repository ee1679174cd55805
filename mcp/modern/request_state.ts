/**
 * `requestState` of the modern era: what an upstream wants back with the answers to its questions. The client gets it
 * sealed, for a short time, for the same principal and the very same call, and may use it once.
 */
import type { AttachedCondition } from "../../core/attachments.ts";
import type { ToolCall } from "../../core/call.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import type { Admission } from "../port.ts";
import type { SealKeys } from "../../core/sealing.ts";
import { createClientSeal } from "../sealing.ts";

/** An upstream's state on its way back, with everything that it is bound to. */
export interface RequestState {
  readonly state: string;
  readonly tenant: string;
  readonly agent: string;
  readonly rootBlockId: string;
  readonly nonce: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

/** Seals and opens states. */
export interface RequestStates {
  /** `undefined` for a state that is too long to be given out. */
  seal(state: string, call: ToolCall, to: Admission): Promise<string | undefined>;
  /** The state, `undefined` for one that was not sealed for this call, or too long ago. */
  open(sealed: JsonValue, call: ToolCall): Promise<RequestState | undefined>;
}

const MAX_STATE_SECONDS = 10 * 60;
const MAX_STATE_LENGTH = 48 * 1024;
const MAX_SEALED_LENGTH = 128 * 1024;

/** Makes the seal of states under the keys of sessions. */
export function createRequestStates(
  keys: SealKeys,
  nowMs: () => number,
  newNonce: () => string,
): RequestStates {
  const context = "intentgate-mcp-request-state-v1";
  const seal = createClientSeal({ keys, prefix: "igq1.", context, maxLength: MAX_SEALED_LENGTH });
  return {
    async seal(state, call, { tenant, agent, rootBlockId, expiresAt }) {
      if (state.length > MAX_STATE_LENGTH) return undefined;
      const until = Math.min(Math.floor(nowMs() / 1000) + MAX_STATE_SECONDS, expiresAt);
      const value: RequestState = { state, tenant, agent, rootBlockId, nonce: newNonce(), expiresAt: until };
      return await seal.seal(value, boundTo(call));
    },
    async open(sealed, call) {
      if (typeof sealed !== "string") return undefined;
      const value = await seal.open(sealed, boundTo(call));
      // What the key has authenticated was written by `seal`.
      const opened = isJsonObject(value) ? value as unknown as RequestState : undefined;
      return opened !== undefined && opened.expiresAt * 1000 > nowMs() ? opened : undefined;
    },
  };
}

/** Whether a state was given to this principal. */
export function isOwnState(state: RequestState, admission: Admission): boolean {
  return state.tenant === admission.tenant && state.agent === admission.agent &&
    state.rootBlockId === admission.rootBlockId;
}

/**
 * Lets a state be used once, by all replicas together: a counter of one call, kept until the state has expired. Counters are
 * grouped by minute of expiry, so that one root block can use a thousand states a minute.
 */
export function usedOnce({ nonce, rootBlockId, expiresAt }: RequestState): AttachedCondition {
  const reason = "This requestState was used before";
  return {
    condition: {
      kind: "consume_call",
      block_id: `request-state/${nonce}`,
      root_block_id: `request-state/${rootBlockId}/${Math.floor(expiresAt / 60)}`,
      max: 1,
      expires_at: expiresAt,
    },
    refusal: { check: "gateway", code: "request_state_used", reason },
    refusalWhenFull: {
      check: "gateway",
      code: "request_state_limit",
      reason: "Too many calls were resumed with a requestState in one minute",
    },
  };
}

function boundTo({ upstream, method, name, argumentsDigest }: ToolCall): string {
  return JSON.stringify([upstream, method, name, argumentsDigest]);
}
