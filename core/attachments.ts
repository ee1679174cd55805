import type { AppendCondition } from "./audit_entry.ts";
import type { ToolCall } from "./call.ts";

/** A condition on the append of a call's decision, and the refusal it turns into when it does not hold. */
export interface AttachedCondition {
  readonly condition: AppendCondition;
  readonly refusal: ConditionRefusal;
  /** Said instead when there was no room for another counter. */
  readonly refusalWhenFull?: ConditionRefusal;
}

/** What the agent is told about a condition that did not hold. */
export interface ConditionRefusal {
  readonly check: string;
  readonly code: string;
  readonly reason: string;
}

/**
 * What travels beside a call and never in it. Handed by closure to the few built-in checks that need it:
 * the credential to the check that establishes the principal, conditions to those that count.
 */
export interface CallAttachments {
  attachCredential(call: ToolCall, credential: string | undefined): void;
  credentialOf(call: ToolCall): string | undefined;
  /** Adds a condition to the append of this call's decision. */
  addCondition(call: ToolCall, condition: AttachedCondition): void;
  conditionsOf(call: ToolCall): readonly AttachedCondition[];
  /** Adds an effect to the append of this call's outcome; used from `settle`. */
  addEffect(call: ToolCall, effect: AppendCondition): void;
  effectsOf(call: ToolCall): readonly AppendCondition[];
}

interface Attached {
  credential: string | undefined;
  conditions: AttachedCondition[];
  effects: AppendCondition[];
}

/** Attachments live exactly as long as their call. */
export function createCallAttachments(): CallAttachments {
  const attached = new WeakMap<ToolCall, Attached>();
  const of = (call: ToolCall): Attached => {
    let entry = attached.get(call);
    if (entry === undefined) {
      entry = { credential: undefined, conditions: [], effects: [] };
      attached.set(call, entry);
    }
    return entry;
  };
  return {
    attachCredential: (call, credential) => void (of(call).credential = credential),
    credentialOf: (call) => attached.get(call)?.credential,
    addCondition: (call, condition) => void of(call).conditions.push(condition),
    conditionsOf: (call) => attached.get(call)?.conditions ?? [],
    addEffect: (call, effect) => void of(call).effects.push(effect),
    effectsOf: (call) => attached.get(call)?.effects ?? [],
  };
}
